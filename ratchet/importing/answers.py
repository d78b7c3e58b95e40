"""References and choices in one form, and the verifier that a reference's shape asks for."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from ratchet.importing.options import RowRefused
from ratchet.verify.extract import answers
from ratchet.verify.rules.measures import is_measure

LETTERS = "ABCDEFGH"
"""As many as the verifier `choice` reads."""
ASK_LETTER = "Answer with the letter of the right choice."
LIST_WORDS = 3

_NUMBER = re.compile(r"[-+]?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?%?")
_FORMULA = re.compile(
    r"\\(?:[dt]?frac|sqrt|cdot|times|div|pm|pi|theta|alpha|beta|infty|circ|leq?|geq?|neq?|sin|cos|tan|log|ln|cup|cap|sum|int"
    r"|begin\{[pbv]?matrix\})(?![A-Za-z])"
)
"""Commands of LaTeX that stand in formulas alone: `\\Users` of a path is none."""


def reference_text(value: Any) -> str | None:
    """The answer as text: numbers without a needless ".0", true as "yes", a list joined with ", " (all equal: one)."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, Sequence) and all(isinstance(v, str | int | float) for v in value):
        parts = list(dict.fromkeys(text for v in value if (text := reference_text(v)) is not None))
        return ", ".join(parts) or None
    raise RowRefused(
        "wrong_type", f"the reference is a {type(value).__name__}; give text, a number, yes or no, or a list of texts."
    )


def default_verifier(reference: str, has_choices: bool) -> str:
    """By shape: a formula in LaTeX, a number (with a unit), yes or no, the letter of a choice, a list of short parts with commas.

    Anything else is exact. Of a reference with one marked answer the marked part counts, as verifiers read it.
    """
    marked = answers(reference)
    reference = marked[0].strip() if len(marked) == 1 else reference
    if _FORMULA.search(reference):
        return "maths"
    if _NUMBER.fullmatch(reference) or is_measure(reference):
        return "numeric"
    if reference.lower().rstrip(".") in ("yes", "no"):
        return "yes_no"
    if has_choices and len(reference) == 1 and reference.upper() in LETTERS:
        return "choice"
    parts = reference.split(",")
    if len(parts) > 1 and all(0 < len(part.split()) <= LIST_WORDS for part in parts):
        return "set_f1"
    return "exact"


def choice_texts(value: Any) -> list[str]:
    """Choices of a row: a list, a mapping from letters, or either as JSON text (CSV). None or nothing: no choices."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise RowRefused("bad_choices", f"choices {value[:80]!r} are not a JSON list: {error}.") from error
    if isinstance(value, Mapping):
        given = {k: v for k, v in value.items() if v is not None}
        if sorted(given) != list(LETTERS[: len(given)]):
            raise RowRefused(
                "bad_choices", f"choices have the keys {sorted(map(str, given))}; use A, B, C and so on, or a list."
            )
        value = [given[k] for k in sorted(given)]
    if value is None or value == []:
        return []
    if not isinstance(value, list) or not all(isinstance(v, str | int | float) for v in value):
        raise RowRefused("bad_choices", f"choices are {type(value).__name__}; a list of texts is needed.")
    texts = [" ".join((reference_text(v) or "").split()) for v in value]
    if not 2 <= len(texts) <= len(LETTERS) or "" in texts or len(set(texts)) < len(texts):
        raise RowRefused(
            "bad_choices",
            f"{len(texts)} choices ({', '.join(texts)[:120]}); 2 to {len(LETTERS)} different, non-empty ones are needed.",
        )
    return texts


def with_choices(question: str, choices: Sequence[str]) -> str:
    """The question, one lettered line a choice, and the request to answer with a letter."""
    lines = [f"{letter}. {text}" for letter, text in zip(LETTERS, choices, strict=False)]
    return "\n".join([question, *lines, ASK_LETTER])


def choice_letter(value: Any, choices: Sequence[str]) -> str | None:
    """The right choice as its letter. It may be given as a letter, as its text, or as a number counted from 0.

    Readings that disagree are refused rather than guessed.
    """
    text = reference_text(value)
    if text is None:
        return None
    readings = set()
    if len(text) == 1 and text.upper() in LETTERS[: len(choices)]:
        readings.add(text.upper())
    if text in choices:
        readings.add(LETTERS[choices.index(text)])
    if not isinstance(value, bool) and text.isdecimal() and int(text) < len(choices):
        readings.add(LETTERS[int(text)])
    if len(readings) == 1:
        return readings.pop()
    if readings:
        said = " or ".join(sorted(readings))
        raise RowRefused(
            "bad_reference",
            f"the reference {text!r} may mean choice {said} ({', '.join(choices)[:120]}); give the letter.",
        )
    raise RowRefused(
        "bad_reference",
        f"the reference {text!r} is none of the choices {', '.join(choices)[:120]}; give its letter, text or number from 0.",
    )
