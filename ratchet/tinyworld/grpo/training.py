"""The arms: GRPO by our trainer, and the controls as the seed's study fine-tunes, each until the budget is over."""

from __future__ import annotations

import contextlib
import math
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, TrainerCallback
from trl import GRPOConfig

from ratchet.generate.engines.local import end_tokens
from ratchet.recipe import VerifyConfig
from ratchet.records import Sampling
from ratchet.tinyworld import measure, study
from ratchet.tinyworld.grpo import pool
from ratchet.tinyworld.grpo.clock import Clock
from ratchet.tinyworld.grpo.configs import Config
from ratchet.tinyworld.seed import seed_labels
from ratchet.tinyworld.world import Item
from ratchet.train.rl.earned import Earned
from ratchet.train.rl.grpo import Grpo
from ratchet.train.rl.rewards import Rewards
from ratchet.verify.environments import for_prompts
from ratchet.verify.panel import Panel

WARM_UP = 0.05
FLOOR = 0.1
RFT_POOL = 3600
_FAR = 1_000_000
Look = Callable[[Any], None]
"""Told the trainer after each step."""


class Exact(Earned):
    """1 for a right answer, 0 for a wrong one, however near it is."""

    @property
    def values(self) -> list[float | None]:
        return [None if one.passed is None else float(one.passed) for one in self.last]


class Until(TrainerCallback):  # type: ignore[misc]
    """Stops when the budget is over, and lets someone look after each step."""

    def __init__(self, clock: Clock, end: float, look: Look) -> None:
        self.clock, self.end, self.look = clock, end, look

    def on_step_end(self, _args: Any, _state: Any, control: Any, **kwargs: Any) -> None:
        with self.clock.paused():
            self.look(kwargs["model"])
        control.should_training_stop = self.clock.share >= self.end


def scheduled(model: Any, config: Config, clock: Clock, first: float, last: float) -> tuple[Any, Any]:
    """AdamW, and a schedule by the clock: warm-up over 5% from share `first` on, then down to a tenth at `last`, or constant."""
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    adam = torch.optim.AdamW(learning, lr=config.lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True)

    def factor(_: int) -> float:
        at = min(1.0, max(0.0, (clock.share - first) / (last - first)))
        warm = min(1.0, (at + 1e-3) / WARM_UP)
        down = 1.0 if config.schedule == "constant" else FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * at)) / 2
        return warm * down

    return adam, torch.optim.lr_scheduler.LambdaLR(adam, factor)


def grpo(
    model: Any, processor: Any, config: Config, seed: int, clock: Clock, look: Look, kept: Path
) -> list[dict[str, float]]:
    """Train in place until the budget is over; what TRL logged of each step."""
    if config.frozen_vision:
        for weight in model.model.vision_model.parameters():
            weight.requires_grad_(False)
    a_second = pool.PER_SECOND if config.filtered else pool.UNFILTERED
    asked = pool.drawn(int(clock.budget * a_second), seed, config.skills)
    if config.filtered:
        with clock.paused():
            rates, seconds = pool.rates(model, processor, asked, seed, kept)
        clock.charge(seconds)
        asked = [item for item, rate in zip(asked, rates, strict=True) if 0 < rate < 1]
    sampling = Sampling(strategy="rl", seed=seed, temperature=config.temperature, max_new_tokens=measure.MAX_NEW_TOKENS)
    rewards = Rewards(Panel(None, for_prompts(None)), VerifyConfig(), sampling)
    ends = end_tokens(model, processor.tokenizer)
    earned = Earned(rewards, config.k, ends) if config.dense else Exact(rewards, config.k, ends)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        trainer = Grpo(
            model=model,
            args=_options(config, seed, folder),
            reward_funcs=earned,
            train_dataset=pool.rows(asked),
            processing_class=processor,
            optimizers=scheduled(model, config, clock, config.rft_first, 1.0),
            callbacks=[Until(clock, 1.0, look)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.earned, trainer.sft_weight = earned, config.sft_weight
        trainer.train()
        return [log for log in trainer.state.log_history if "reward" in log]


def _options(config: Config, seed: int, folder: str) -> Any:
    return GRPOConfig(
        output_dir=folder,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        logging_steps=1,
        per_device_train_batch_size=config.k * config.prompts,
        num_generations=config.k,
        max_completion_length=measure.MAX_NEW_TOKENS,
        max_steps=_FAR,
        temperature=config.temperature,
        top_k=0,
        beta=config.kl,
        loss_type=config.loss,
        scale_rewards=config.scale,
        epsilon=0.2,
        epsilon_high=config.clip_high,
        num_iterations=config.iterations,
        seed=seed,
    )


def rft(model: Any, processor: Any, config: Config, seed: int, clock: Clock, look: Look, end: float = 1.0) -> int:
    """Rounds of verified self-training, each of fresh prompts and two epochs; the number of rows that were kept."""
    total = number = 0
    while clock.share < end:
        torch.manual_seed(seed * 100 + number)
        fresh = pool.drawn(RFT_POOL, 10_000 + seed * 100 + number, config.skills)
        rows = list(study.verified(model, processor, fresh, config.k))
        total += len(rows)
        number += 1
        if clock.share < end:
            # A round's own schedule, as a round has it; what is left of the budget cuts the last one short.
            study.fine_tune(model, processor, rows, 2, study.StudyConfig(seed=seed), [Until(clock, end, look)])
    return total


def labels(model: Any, processor: Any, config: Config, seed: int, clock: Clock, look: Look) -> int:
    """The seed's labelled rows again until the budget is over."""
    rows = [study.sft_row(item, item.answer) for item in _labels()]
    optimisers = scheduled(model, config, clock, 0.0, 1.0)
    settings = study.StudyConfig(lr=config.lr, seed=seed)
    study.fine_tune(model, processor, rows, 1000, settings, [Until(clock, 1.0, look)], optimisers)
    return len(rows)


def _labels() -> list[Item]:
    return list(seed_labels())
