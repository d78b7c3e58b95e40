"""Looks at validation while a policy trains: which of its states is the best, and when to stop.

The candidate is the best state after the seed. Where none is better than the seed it is still that one, and the gate will
refuse it: a training that did not help is told as such, not hidden by giving the seed again.
"""

from __future__ import annotations

from typing import Any

from accelerate.utils import broadcast_object_list
from transformers import TrainerCallback

from ratchet.errors import TrainError
from ratchet.train.checkpoints import snapshot
from ratchet.train.checkpoints.snapshot import Tensors
from ratchet.train.job import Job
from ratchet.train.report import Look
from ratchet.train.watch import Watch

SHARE = 10
"""Looks of a training that says no `validate_every`."""


class Looks(TrainerCallback):  # type: ignore[misc]
    """Looks at the seed, every so many steps, and after the last one. `best` holds the weights of the best look after the seed."""

    def __init__(self, job: Job, trainer: Any, watch: Watch) -> None:
        if job.validation is None:
            raise TrainError(
                "train.checkpoints.best is validation, but this training was given no validation; set it to last."
            )
        if trainer.is_fsdp_enabled:
            raise TrainError(
                "train.checkpoints.best is validation, but no process has the whole model under fsdp and can ask it; set it to "
                "last, or launcher.strategy to ddp."
            )
        self.looks: list[Look] = []
        self.best: Tensors = {}
        self._validation, self._trainer, self._watch = job.validation, trainer, watch
        self._every, self._patience = job.config.checkpoints.validate_every, job.config.checkpoints.patience
        trainer.add_callback(self)

    @property
    def best_look(self) -> Look | None:
        """The best after the seed, of equal ones the earliest."""
        return max((look for look in self.looks if look.step), key=lambda look: (look.score, -look.step), default=None)

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        if state.global_step == 0:
            self.looks.append(Look(step=0, score=self._score()))

    def on_log(self, _args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        if "loss" not in logs or not self._due(state):
            return
        before = self.best_look
        look = Look(step=state.global_step, score=self._score())
        self.looks.append(look)
        self._watch.note(look.step, "validation", look.score)
        if before is None or look.score > before.score:
            self.best = snapshot.weights(self._trainer.model)
        if self._patience is not None and self._since() >= self._patience:
            control.should_training_stop = True

    def finish(self) -> None:
        """Give the model the weights of its best look."""
        look = self.best_look
        if look is not None and look.step != self._trainer.state.global_step:
            snapshot.put_weights(self._trainer.model, self.best)

    def kept(self) -> dict[str, Any]:
        return {"looks": [look.model_dump() for look in self.looks]}

    def regain(self, kept: dict[str, Any]) -> None:
        self.looks = [Look.model_validate(look) for look in kept["looks"]]

    def facts(self) -> dict[str, Any]:
        """For the report."""
        look = self.best_look
        return {"looks": tuple(self.looks), "best_step": look.step if look is not None else None}

    def _due(self, state: Any) -> bool:
        every = self._every or max(state.max_steps // SHARE, 1)
        return bool(state.global_step % every == 0 or state.global_step >= state.max_steps)

    def _since(self) -> int:
        """Looks since the best one, the seed's among them."""
        best = max(range(len(self.looks)), key=lambda place: (self.looks[place].score, -place))
        return len(self.looks) - 1 - best

    def _score(self) -> float:
        """The first process's score: others that differ in a last digit would stop at another step."""
        score = self._validation(
            self._trainer.accelerator.unwrap_model(self._trainer.model), self._trainer.processing_class
        )
        return float(broadcast_object_list([score], from_process=0)[0])
