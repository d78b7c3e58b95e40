"""Verifiers that ask a model. Each is made from its configuration; the judge is opened when it is first asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ratchet.verify.judged import captions, claims, critique, pairwise, rubric, self_check, step_values, steps
from ratchet.verify.protocol import Verifier

JUDGED_BUILDERS: Mapping[str, Callable[[Any, Any], Verifier]] = {
    "rubric": rubric.build,
    "critique": critique.build,
    "pairwise": pairwise.build,
    "claims": claims.build,
    "self_check": self_check.build,
    "caption_consistency": captions.build,
    "steps": steps.build,
    "step_values": step_values.build,
}
"""`build(config, tools)` by name."""
