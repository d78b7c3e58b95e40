"""Configurations of this family made into verifiers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ratchet.recipe.verifiers.votes import MajorityConfig, SufficientConfig
from ratchet.verify.protocol import Verifier
from ratchet.verify.tools import Tools
from ratchet.verify.voting.majority import Majority
from ratchet.verify.voting.own_caption import OwnCaption
from ratchet.verify.voting.sufficient import Sufficient
from ratchet.verify.voting.views import Views


def _majority(config: MajorityConfig, _tools: Tools) -> Verifier:
    return Majority(config)


def _sufficient(config: SufficientConfig, _tools: Tools) -> Verifier:
    return Sufficient(config)


VOTE_BUILDERS: dict[str, Callable[[Any, Any], Verifier]] = {
    "majority": _majority,
    "views": Views,
    "own_caption": OwnCaption,
    "sufficient": _sufficient,
}
