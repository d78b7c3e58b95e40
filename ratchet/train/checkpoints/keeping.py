"""When a training's checkpoints are taken, and how a training goes on from one.

Transformers' own loop decides where it goes on (epoch, rows that were seen, when random states are put back); what is
saved and how is ours, so that nothing is pickled, nothing waits for the store, and the weights that learn are all there is.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from accelerate.utils import broadcast_object_list
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import TrainerCallback

from ratchet.errors import DigestMismatch, NotFound
from ratchet.train.checkpoints import snapshot
from ratchet.train.checkpoints.place import Card, Checkpoints
from ratchet.train.checkpoints.snapshot import Tensors
from ratchet.train.checkpoints.writing import Writer
from ratchet.train.hooks import attach
from ratchet.train.job import Job
from ratchet.train.validation import Looks

log = logging.getLogger(__name__)


class Keeping(TrainerCallback):  # type: ignore[misc]
    """Keeps the checkpoints of one `trainer.train()`, in whose `with` block it runs.

    Every process that trains has one; the first alone writes. Without `train.checkpoints.every` it does nothing.
    """

    def __init__(self, job: Job, trainer: Any, folder: Path, looks: Looks | None = None) -> None:
        self.resumed_from: list[int] = []
        self.skipped = 0
        self.loaded: _Loaded | None = None
        self._trainer, self._folder, self._looks = trainer, folder, looks
        self._every = job.config.checkpoints.every if job.checkpoints is not None else None
        self._due = False
        self._checkpoints: Checkpoints | None = None
        self._writer: Writer | None = None
        if job.checkpoints is not None and self._every is not None:
            self._checkpoints = job.checkpoints.of(trainer.args.world_size)
            if trainer.is_world_process_zero():
                self._writer = Writer(self._checkpoints, job.config.checkpoints.keep, folder)
            attach(trainer, _Keeps)
            trainer.keeping = self
            trainer.add_callback(self)

    def __enter__(self) -> Keeping:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if self._writer is not None:
            # Where training failed, the last good checkpoint is what the next try begins with.
            self._writer.close() if kind is None else self._writer.finish()

    def resume(self) -> str | None:
        """Where `trainer.train` goes on from: a folder as it expects one, or None for the beginning."""
        if self._checkpoints is None:
            return None
        step = self._newest() if self._writer is not None else None
        step = _agreed(step)
        if step is None:
            return None
        self.loaded = self.loaded or self._fetched(step)
        assert self.loaded is not None, f"checkpoint {step} was there a moment ago"
        state = self.loaded.card.state
        (self.loaded.folder / "trainer_state.json").write_text(json.dumps(state["trainer"]), encoding="utf-8")
        snapshot.put_rest(self._trainer, state)
        self.resumed_from.append(step)
        if self._looks is not None:
            self._looks.best = self.loaded.tensors("best")
        log.info("training goes on from the checkpoint of step %d", step)
        return str(self.loaded.folder)

    def save(self) -> None:
        """Take a snapshot and send it in the background, unless one is still being sent or training ends here."""
        if self._trainer.control.should_training_stop:
            return
        if _agreed(self._writer.busy if self._writer is not None else None):
            self.skipped += 1
            return
        taken = snapshot.take(self._trainer)
        if self._looks is not None and self._looks.best:
            taken.tensors["best"] = self._looks.best
        if self._writer is not None:
            self._writer.send(taken)

    def on_epoch_begin(self, _args: Any, state: Any, _control: Any, train_dataloader: Any = None, **_: Any) -> None:
        """Say the epoch to the sampler that shuffles: accelerate does not where several processes go on from the middle of one."""
        sampler: Any = getattr(train_dataloader, "batch_sampler", None)
        while hasattr(sampler, "batch_sampler"):
            sampler = sampler.batch_sampler
        sampler = getattr(sampler, "sampler", None)
        if hasattr(sampler, "set_epoch"):
            # Shares of an epoch are sums of floats.
            sampler.set_epoch(int((state.epoch or 0.0) + 1e-6))

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        assert self._every is not None
        self._due = self._due or state.global_step % self._every == 0
        if self._due and _between(self._trainer):
            self._due = False
            control.should_save = True

    def kept(self) -> dict[str, Any]:
        return {"resumed_from": self.resumed_from}

    def regain(self, kept: dict[str, Any]) -> None:
        self.resumed_from = list(kept["resumed_from"])

    def facts(self) -> dict[str, Any]:
        """For the report: what became of the checkpoints."""
        return {
            "resumed_from": tuple(self.resumed_from),
            "checkpoints": self._writer.written if self._writer is not None else 0,
            "checkpoints_failed": self._writer.failed if self._writer is not None else 0,
            "checkpoints_skipped": self.skipped,
        }

    def _newest(self) -> int | None:
        """The last step whose checkpoint is whole and of this training; it is loaded."""
        assert self._checkpoints is not None
        for step in reversed(self._checkpoints.steps()):
            self.loaded = self._fetched(step)
            if self.loaded is not None:
                return step
        return None

    def _fetched(self, step: int) -> _Loaded | None:
        assert self._checkpoints is not None
        card = self._checkpoints.read(step)
        if card is None:
            return None
        folder = self._folder / f"resumed-{step}"
        folder.mkdir()
        try:
            return _Loaded(card, folder, self._checkpoints.fetch(card, folder))
        except (NotFound, DigestMismatch, SafetensorError) as error:
            log.warning("the checkpoint of step %d is damaged and is passed over: %s", step, error)
            return None


class _Loaded:
    """A checkpoint on this machine's disk."""

    def __init__(self, card: Card, folder: Path, files: dict[str, Path]) -> None:
        self.card, self.folder, self._files = card, folder, files

    def tensors(self, name: str) -> Tensors:
        return load_file(self._files[name]) if name in self._files else {}


class _Keeps:
    """Goes before a trainer's own methods: what transformers saves and loads, by our snapshots."""

    keeping: Keeping
    model: Any
    optimizer: Any
    lr_scheduler: Any
    accelerator: Any
    args: Any

    def _save_checkpoint(self, _model: Any, _trial: Any) -> None:
        self.keeping.save()

    def _load_from_checkpoint(self, _folder: str, _model: Any = None) -> None:
        snapshot.put_weights(self.model, self._loaded.tensors("weights"))
        reference = self._loaded.tensors("reference")
        if reference:
            snapshot.put_weights(self.ref_model, reference)  # type: ignore[attr-defined]

    def _load_optimizer_and_scheduler(self, _folder: str | None) -> None:
        if _folder is not None:
            state = self._loaded.card.state
            snapshot.put_optimizer(self.optimizer, self._loaded.tensors("optimizer"), state["optimizer"])
            self.lr_scheduler.load_state_dict(state["scheduler"])

    def _load_scaler(self, _folder: str | None) -> None:
        if _folder is not None and self._loaded.card.state["scaler"] is not None:
            self.accelerator.scaler.load_state_dict(self._loaded.card.state["scaler"])

    def _load_rng_state(self, _folder: str | None) -> None:
        if _folder is not None:
            snapshot.put_random(self._loaded.card.state["random"], self.args.process_index)

    @property
    def _loaded(self) -> _Loaded:
        assert self.keeping.loaded is not None
        return self.keeping.loaded


def _between(trainer: Any) -> bool:
    """Whether a policy that makes its own completions has learned from all that it made: they are in no checkpoint."""
    iterations = getattr(trainer, "num_iterations", None)
    step = getattr(trainer, "_step", None)
    if iterations is None or step is None:
        return True
    return bool(step % (trainer.args.steps_per_generation * iterations) == 0)


def _agreed(value: Any) -> Any:
    """The first process's value, in all that train together."""
    told: Sequence[Any] = broadcast_object_list([value], from_process=0)
    return told[0]
