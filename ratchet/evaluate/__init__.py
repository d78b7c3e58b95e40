"""Measuring models: outcomes of held-out prompts, their metrics, and the stage that compares candidate and champion."""

from ratchet.evaluate.outcomes import OUTCOMES, ModelRole, Outcome

__all__ = ["OUTCOMES", "ModelRole", "Outcome"]
