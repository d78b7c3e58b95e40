"""Configurations of this family made into verifiers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ratchet.verify.measured.likelihood import conditioning, likelihood
from ratchet.verify.measured.reward import reward_model
from ratchet.verify.measured.similarity import small_scorer
from ratchet.verify.protocol import Verifier

MEASURED_BUILDERS: dict[str, Callable[[Any, Any], Verifier]] = {
    "likelihood": likelihood,
    "conditioning": conditioning,
    "small_scorer": small_scorer,
    "reward_model": reward_model,
}
