"""Texts with fields that a recipe gives a strategy: `{question}`, `{caption}` and so on stand for what is put there.

Only a field's exact form, a lower-case word in braces, is one; other braces are text, so `\\boxed{}` needs no escape.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from pydantic import AfterValidator

FIELD = re.compile(r"\{([a-z_]+)\}")


def fields(template: str) -> set[str]:
    """Names of the fields that a template has."""
    return set(FIELD.findall(template))


def filled(template: str, values: Mapping[str, str]) -> str:
    """The template with each field's value in place. Values are put in as they are: braces in them are text.

    Raises KeyError for a field without a value; templates of a recipe were checked when it was loaded.
    """
    return FIELD.sub(lambda found: values[found[1]], template)


def having(*required: str, may: tuple[str, ...] = ()) -> AfterValidator:
    """A validator for templates: each of `required` must be there, each of `may` can be, no other field."""
    return AfterValidator(checker(*required, may=may))


def checker(*required: str, may: tuple[str, ...] = ()) -> Callable[[str], str]:
    """The check of `having`, for validators that look at more than one value. Raises ValueError."""
    known = (*required, *may)

    def check(template: str) -> str:
        if not template.strip():
            raise ValueError("the template is empty; give a text, or leave the key out for the default")
        there = fields(template)
        unknown = sorted(there - set(known))
        if unknown:
            fit = ", ".join(f"{{{name}}}" for name in known) or "none"
            raise ValueError(f"the template has a field {{{unknown[0]}}} that is not known here; fields: {fit}")
        missing = [name for name in required if name not in there]
        if missing:
            raise ValueError(f"the template must have {{{missing[0]}}}, or the model is never shown it; add it")
        return template

    return check
