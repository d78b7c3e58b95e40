"""Configurations of this family made into verifiers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ratchet.recipe.verifiers.votes import MajorityConfig
from ratchet.verify.protocol import Verifier
from ratchet.verify.voting.majority import Majority


def _majority(config: MajorityConfig, _tools: object) -> Verifier:
    return Majority(config)


VOTE_BUILDERS: dict[str, Callable[[Any, Any], Verifier]] = {"majority": _majority}
