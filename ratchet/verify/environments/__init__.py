"""Environments with Gymnasium's interface that carry an answer out, and the verifiers that look what came of it."""

from ratchet.verify.environments.states import STATES, DrawState, MazeState, TransformState, read, ref_of
from ratchet.verify.environments.verifiers import ENVIRONMENT_BUILDERS, EnvironmentRule, environment_rules, for_prompts

__all__ = [
    "ENVIRONMENT_BUILDERS",
    "STATES",
    "DrawState",
    "EnvironmentRule",
    "MazeState",
    "TransformState",
    "environment_rules",
    "for_prompts",
    "read",
    "ref_of",
]
