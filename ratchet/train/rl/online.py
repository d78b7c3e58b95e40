"""What GRPO and RLOO share: options, what is checked before a model is loaded, and what is put onto TRL's trainer."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from ratchet.errors import RecipeError, TrainError
from ratchet.recipe import TrainConfig
from ratchet.train import session
from ratchet.train.job import Job
from ratchet.train.report import TrainReport
from ratchet.train.rl.earned import Earned
from ratchet.train.rl.kl import AdaptiveKl
from ratchet.train.rl.lengths import Lengths

TEXTS = ("prompt",)
Given = Mapping[str, tuple[str, Any]]
UNSET_LENGTH = 256
"""Stands for generate.max_new_tokens where only options are checked; a job always has the number."""


def options_of(config: TrainConfig) -> dict[str, tuple[str, Any]]:
    """TRL's options that both methods have: name in TRL, (name in the recipe, value)."""
    rl = config.reinforcement
    mode = rollouts(config)
    refuse(
        "train_sampling_strategy" in config.trl,
        f"train.trl.train_sampling_strategy says nothing to {config.method}, whose prompts TRL always shuffles; remove it, and "
        "use train.curriculum for another order.",
    )
    found: dict[str, tuple[str, Any]] = {
        "num_generations": ("train.rl.k", rl.k),
        "temperature": ("train.rl.temperature", rl.temperature),
        "top_p": ("train.rl.top_p", rl.top_p),
        "max_completion_length": ("train.rl.max_new_tokens", rl.longest or UNSET_LENGTH),
        "epsilon": ("train.rl.clip_low", rl.lower),
        "epsilon_high": ("train.rl.clip_high", rl.clip_high),
        "num_iterations": ("train.rl.iterations", rl.iterations),
        "mask_truncated_completions": ("train.rl.mask_clipped", rl.mask_clipped),
        "beta": ("train.rl.kl.coefficient", rl.kl.coefficient),
        "reward_weights": ("train.rl.rewards", None),
        "use_vllm": ("train.rl.rollouts", mode != "model"),
    }
    if mode != "model":
        found["vllm_mode"] = ("train.rl.rollouts", mode)
    return found


def rollouts(config: TrainConfig) -> str:
    """Who makes completions on this machine: model, colocate or server. `auto` is colocate where there is a GPU with vLLM."""
    import torch
    from trl.import_utils import is_vllm_available

    asked = config.reinforcement.rollouts
    if asked != "auto":
        return asked
    return "colocate" if torch.cuda.is_available() and is_vllm_available() else "model"


def check_machine(config: TrainConfig) -> None:
    """Raise TrainError for rollouts that this machine cannot make. Asked where training runs, not where it is launched."""
    import torch
    from trl.import_utils import is_vllm_available

    mode = rollouts(config)
    if mode == "model":
        return
    if not torch.cuda.is_available():
        raise TrainError(
            f"train.rl.rollouts is {mode}, but there is no GPU here: vLLM takes the learner's weights over NCCL or in the same "
            "GPU's memory. Set it to model or auto, or train on a GPU."
        )
    if not is_vllm_available():
        raise TrainError(
            f"train.rl.rollouts is {mode}, but there is no vLLM that this TRL supports; install it, or set it to model."
        )


def check_rows(job: Job, settings: Any) -> None:
    """Raise TrainError where the prompts do not fill one step (TRL would end without one), or groups would be torn apart."""
    if settings.per_device_train_batch_size % settings.num_generations:
        raise TrainError(
            f"each process has {settings.per_device_train_batch_size} completions of train.batch_size {job.config.batch_size}, "
            f"no multiple of train.rl.k {settings.num_generations}; make it one of processes times k."
        )
    needed = settings.generation_batch_size // settings.num_generations
    if len(job.rows) < needed:
        raise TrainError(
            f"{len(job.rows)} prompts, but one step of {job.config.method} takes {needed} (train.batch_size "
            f"{job.config.batch_size} of {settings.num_generations} completions each). Lower train.batch_size, or loosen filter."
        )


def refuse(wrong: bool, words: str) -> None:
    if wrong:
        raise RecipeError(words)


def train(job: Job, arguments: session.Arguments, kind: type) -> TrainReport:
    """Train by a trainer class of ours. The rows are of `rl_rows`, the job has rewards; they are closed at the end."""
    if job.rewards is None:
        raise TrainError(
            f"{job.config.method} needs rewards, and the job brings none; this is a mistake of the launcher."
        )
    check_machine(job.config)
    with ExitStack() as stack:
        stack.callback(job.rewards.close)

        def make(job: Job, model: Any, processor: Any, common: dict[str, Any]) -> Any:
            check_rows(job, common["args"])
            return made(kind, job, model, processor, common)

        return session.run(job, arguments, TEXTS, make)


def made(kind: type, job: Job, model: Any, processor: Any, common: dict[str, Any]) -> Any:
    """The trainer with rewards, steering of the divergence and lengths put onto it."""
    rl, settings = job.config.reinforcement, common["args"]
    _speaks(job.rewards, rl.temperature, settings.max_completion_length)
    earned = Earned(job.rewards, rl.k, _ends(model, processor))  # type: ignore[arg-type]
    adaptive = AdaptiveKl(rl.kl, settings.generation_batch_size) if rl.kl.coefficient else None
    lengths = Lengths(rl.lengths) if rl.lengths else None
    own = [one for one in (adaptive, lengths) if one is not None]
    # Before the watch, so that what they add to the log is in it.
    trainer = kind(model=model, reward_funcs=earned, **{**common, "callbacks": [*own, *common["callbacks"]]})
    for one in own:
        one.trainer = trainer
    trainer.earned, trainer.drop, trainer.sft_weight = earned, rl.drop_zero_variance, rl.sft_weight
    return trainer


def _speaks(rewards: Any, temperature: float, longest: int) -> None:
    """Let the completions that verifiers see say how they were drawn."""
    drawn = {"temperature": temperature, "max_new_tokens": longest}
    rewards.sampling = rewards.sampling.model_copy(update=drawn)


def _ends(model: Any, processor: Any) -> list[int]:
    from ratchet.generate.engines.local import end_tokens

    return end_tokens(model, processor.tokenizer)
