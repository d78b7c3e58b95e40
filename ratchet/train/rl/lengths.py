"""Progressive thinking suppression (PTST, Vision-R1, arXiv 2503.06749): short completions first, longer ones later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import TrainerCallback

from ratchet.recipe.training.reinforcement import LengthStage


def length_at(share: float, stages: Sequence[LengthStage]) -> int:
    """Most tokens of a completion when `share` of the steps are done; `stages` in order, the first from 0."""
    return [stage for stage in stages if stage.start <= share][-1].max_new_tokens


class Lengths(TrainerCallback):  # type: ignore[misc]
    """Sets the length before each step, on all that reads it. It depends on the step alone, so nothing need be kept."""

    def __init__(self, stages: Sequence[LengthStage]) -> None:
        self.stages = stages
        self.trainer: Any = None

    def on_step_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        limit = length_at(state.global_step / state.max_steps, self.stages)
        trainer = self.trainer
        trainer.max_completion_length = limit
        if trainer.use_vllm:
            trainer.vllm_generation.max_completion_length = limit
            return
        trainer.generation_kwargs["max_new_tokens"] = limit
        trainer.generation_config.max_new_tokens = limit

    def on_log(self, _args: Any, _state: Any, _control: Any, logs: dict[str, Any], **_: Any) -> None:
        if "loss" in logs:
            logs["max_new_tokens"] = float(self.trainer.max_completion_length)
