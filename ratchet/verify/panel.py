"""The verifiers of a recipe: its configurations made into verifiers, beside those that prompts may name themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ratchet.recipe import VerifyConfig
from ratchet.recipe.verifiers import OWN
from ratchet.verify.environments import ENVIRONMENT_BUILDERS, for_prompts
from ratchet.verify.judged import JUDGED_BUILDERS
from ratchet.verify.measured.building import MEASURED_BUILDERS
from ratchet.verify.protocol import Verifier
from ratchet.verify.rules import RULE_BUILDERS
from ratchet.verify.tools import Tools
from ratchet.verify.voting.building import VOTE_BUILDERS

Builder = Callable[[Any, Tools], Verifier]
"""`build(config, tools)`: the verifier as it is configured, called `config.called`."""

BUILDERS: Mapping[str, Builder] = {
    **RULE_BUILDERS,
    **VOTE_BUILDERS,
    **JUDGED_BUILDERS,
    **MEASURED_BUILDERS,
    **ENVIRONMENT_BUILDERS,
}


@dataclass(frozen=True)
class Panel:
    """`names` say which verifiers look at every answer, in order, OWN for the prompt's; None: the prompt's alone."""

    names: tuple[str, ...] | None
    verifiers: Mapping[str, Verifier]


def panel_of(config: VerifyConfig, tools: Tools) -> Panel:
    """Build the recipe's verifiers. Models are opened when they are first asked, not here."""
    if config.verifiers is None:
        return Panel(None, for_prompts(tools.bank))
    # Where a prompt names a verifier that the recipe has too, the recipe's takes its place.
    own = {one.called: BUILDERS[one.name](one, tools) for one in config.verifiers if one.name != OWN}
    return Panel(tuple(one.called for one in config.verifiers), {**for_prompts(tools.bank), **own})
