"""One configuration model per verifier; a recipe names one or lists several. A name stands for its defaults."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BeforeValidator, Field

from ratchet.recipe.naming import listed
from ratchet.recipe.verifiers.base import OWN, OwnConfig, VerifierBase
from ratchet.recipe.verifiers.environments import EnvironmentFamily
from ratchet.recipe.verifiers.judged import JudgedFamily
from ratchet.recipe.verifiers.measured import MeasuredFamily
from ratchet.recipe.verifiers.rules import RuleFamily
from ratchet.recipe.verifiers.votes import VoteFamily

__all__ = ["FAMILIES", "NAMES", "OWN", "VerifierBase", "VerifierConfig", "Verifiers"]

FAMILIES: dict[str, Any] = {
    "rule": RuleFamily,
    "judge": JudgedFamily,
    "measure": MeasuredFamily,
    "vote": VoteFamily,
    "environment": EnvironmentFamily,
}

VerifierConfig = Annotated[
    OwnConfig | RuleFamily | JudgedFamily | MeasuredFamily | VoteFamily | EnvironmentFamily, Field(discriminator="name")
]


def _names(family: Any) -> frozenset[str]:
    models = get_args(family) or (family,)
    return frozenset(name for one in models for name in get_args(one.model_fields["name"].annotation))


NAMES: frozenset[str] = frozenset({OWN}).union(*map(_names, FAMILIES.values()))


def _listed(value: Any) -> Any:
    """A name, a mapping, or a list of these: always as a list of mappings. None stays None."""
    return None if value is None else listed(value, "name", NAMES, "verifier")


def _distinct(configs: tuple[VerifierBase, ...]) -> tuple[VerifierBase, ...]:
    called = [one.called for one in configs]
    twice = sorted({name for name in called if called.count(name) > 1})
    if twice:
        raise ValueError(f"verifiers {', '.join(twice)} are there twice; give one of each a `label` of its own")
    return configs


Verifiers = Annotated[
    tuple[VerifierConfig, ...], BeforeValidator(_listed), AfterValidator(_distinct), Field(min_length=1)
]
