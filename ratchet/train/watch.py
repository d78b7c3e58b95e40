"""Looking on while TRL trains: the log, progress, a loss that is no number; and errors in our words."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb
from typing import Any

from transformers import TrainerCallback
from transformers.utils import logging as transformers_logging

from ratchet.errors import TrainError
from ratchet.progress import Progress
from ratchet.recipe import TrainConfig
from ratchet.train.memory import levers
from ratchet.train.report import LogRow

_VERIFIERS = "ratchet.verify"
_FULL = os.strerror(errno.ENOSPC)
# `step_time` is a clock, which the log, being content, must not hold.
_COLUMNS = ("loss", "learning_rate", "grad_norm", "num_tokens", "epoch", "step_time")


class Watch(TrainerCallback):  # type: ignore[misc]
    """Keeps one LogRow a step, tells progress, and stops with TrainError at the first loss that is not finite."""

    def __init__(self, config: TrainConfig, progress: Progress) -> None:
        self.log: list[LogRow] = []
        self._kept: list[dict[str, Any]] = []
        self._config = config
        self._progress = progress

    def on_log(self, _args: Any, state: Any, _control: Any, logs: dict[str, float], **_: Any) -> None:
        if "loss" not in logs:
            return
        loss = logs["loss"]
        if not math.isfinite(loss):
            raise TrainError(
                f"the loss is {loss} at step {state.global_step} of {state.max_steps} "
                f"(learning rate {logs['learning_rate']:.3g}); nothing was saved. Lower train.learning_rate "
                f"({self._config.learning_rate:g}) or raise train.warmup_ratio ({self._config.warmup_ratio:g})."
            )
        self._add(
            LogRow(
                step=state.global_step,
                epoch=logs["epoch"],
                loss=loss,
                learning_rate=logs["learning_rate"],
                grad_norm=logs.get("grad_norm"),
                # A step that passes once more over completions of an earlier one reads no new tokens, and TRL says nothing.
                tokens=int(logs["num_tokens"]) if "num_tokens" in logs else self.log[-1].tokens,
                # None is what TRL has for a mean over nothing.
                metrics={n: float(v) for n, v in logs.items() if n not in _COLUMNS and v is not None},
            )
        )
        self._progress(state.global_step, state.max_steps, "steps", f"loss {loss:.3f}")

    def note(self, step: int, name: str, value: float) -> None:
        """Add a metric to the row of a step that was just logged."""
        row = self.log[-1]
        assert row.step == step, f"the last row is of step {row.step}, not {step}"
        self.log.pop()
        self._kept.pop()
        self._add(row.model_copy(update={"metrics": {**row.metrics, name: value}}))

    def kept(self) -> dict[str, Any]:
        return {"log": list(self._kept)}

    def regain(self, kept: dict[str, Any]) -> None:
        self.log, self._kept = [], []
        for row in kept["log"]:
            self._add(LogRow.model_validate(row))

    def _add(self, row: LogRow) -> None:
        self.log.append(row)
        # Once a row: a checkpoint of a long training would dump thousands again.
        self._kept.append(row.model_dump())


@contextmanager
def told(config: TrainConfig) -> Iterator[None]:
    """Turn what TRL, PEFT and torch raise into TrainError that says what to change."""
    try:
        yield
    except (ValueError, TypeError, NotImplementedError, ImportError, RuntimeError, KeyError, MemoryError) as error:
        if _of_memory(error):
            raise _out_of_memory(config, error) from error
        where = _raised_in(error)
        step = (
            "This is a verifier of the recipe, or of its prompts: mend it, or leave it out of verify.verifiers."
            if where.startswith(_VERIFIERS)
            else "Check train.trl, train.lora and whether the seed model can be trained by TRL."
        )
        raise TrainError(
            f"{config.method} training failed in {where}: {type(error).__name__}: {_first_line(error)}. {step}"
        ) from error


def _raised_in(error: BaseException) -> str:
    """The module of verifiers that the error came through; else TRL, where training was."""
    modules = [frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__)]
    return next((name for name in reversed(modules) if name.startswith(_VERIFIERS)), "TRL")


def _out_of_memory(config: TrainConfig, error: BaseException) -> TrainError:
    return TrainError(
        f"out of memory with train.batch_size {config.batch_size}; nothing was saved: {_first_line(error)}. {levers(config)} "
        "`ratchet train --dry-run` says what is needed."
    )


@contextmanager
def saved(folder: Path) -> Iterator[None]:
    """Turn what a full disk raises, in whichever library, into TrainError."""
    try:
        yield
    except Exception as error:
        if _FULL not in str(error):
            raise
        raise TrainError(
            f"the disk is full, the model could not be saved to {folder}: {_first_line(error)}. "
            "Free space and start again; training goes on from its last checkpoint, where it has one."
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Without the progress bars that transformers draws while it loads and saves."""
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if bars:
            transformers_logging.enable_progress_bar()


def _of_memory(error: BaseException) -> bool:
    """On a CPU, torch says so in words alone."""
    import torch

    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0][:300]
