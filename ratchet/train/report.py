"""What training says of itself: one log row a step, and a report."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from ratchet.artifacts import RowSchema
from ratchet.records import Record

CURVE_POINTS = 20


class LogRow(Record):
    """One optimiser step. `tokens` is the total so far, prompts and padding-free; `metrics` are the method's own."""

    step: int
    epoch: float
    loss: float
    learning_rate: float
    grad_norm: float | None = None
    tokens: int
    metrics: dict[str, float] = {}


TRAIN_LOG = RowSchema("train-log", 1, LogRow)


class Seen(Record):
    """Rows of a kind, and how often one of them was trained on."""

    rows: int
    visits: int


class Intake(Record):
    """Of what training was made: rows and visits by skill and by band of pass rate, rows that earlier rounds kept (`replayed`), and
    rows that growth leaves to later rounds (`left_out`, not among the others)."""

    left_out: int
    replayed: int
    skills: dict[str, Seen]
    bands: dict[str, Seen]


class Look(Record):
    """The policy's score on validation prompts after `step` steps; 0 is the seed."""

    step: int
    score: float


HAPPENED = ("seconds", "loop_seconds", "resumed_from", "checkpoints", "checkpoints_failed", "checkpoints_skipped")
"""What may differ when the same training is run again: clocks, and what happened to it on the way."""


class TrainReport(Record):
    """How a training went. Everything but `HAPPENED` is the same when it is run again with the same seed.

    `rows` are distinct rows (pairs for DPO) and `visits` how often one was trained on. `loss_first` and `loss_last` are
    means over the first and the last tenth of the steps. `seconds` is wall time of the whole call, `loop_seconds` of
    the optimiser steps alone. `intake` says of what the rows were, where the stage chose their order. `best_step` is the
    look whose weights were taken, None where there were no looks; looks at step 0 are at the seed. `resumed_from` are the
    steps at which a training that was killed went on.
    """

    method: str
    rows: int
    visits: int
    steps: int
    epochs: float
    tokens: int
    loss_first: float
    loss_last: float
    parameters: int
    trainable_parameters: int
    log: tuple[LogRow, ...]
    intake: Intake | None = None
    seconds: float
    loop_seconds: float
    looks: tuple[Look, ...] = ()
    best_step: int | None = None
    resumed_from: tuple[int, ...] = ()
    checkpoints: int = 0
    checkpoints_failed: int = 0
    checkpoints_skipped: int = 0

    @property
    def curve(self) -> list[tuple[int, float]]:
        """At most `CURVE_POINTS` points (last step of a stretch, mean loss over it)."""
        return curve([(row.step, row.loss) for row in self.log])

    def outcome(self) -> dict[str, Any]:
        """What goes into the manifest: nothing that `HAPPENED`, and the curve for the log."""
        return {**self.model_dump(exclude={"log", *HAPPENED}), "curve": self.curve}


def curve(points: Sequence[tuple[int, float]], most: int = CURVE_POINTS) -> list[tuple[int, float]]:
    """Means over `most` stretches of about equal length."""
    bounds = [round(i * len(points) / most) for i in range(most + 1)]
    stretches = [points[a:b] for a, b in itertools.pairwise(bounds) if b > a]
    return [(stretch[-1][0], sum(loss for _, loss in stretch) / len(stretch)) for stretch in stretches]


def ends(losses: Sequence[float]) -> tuple[float, float]:
    """Mean loss of the first and of the last tenth, at least one step each."""
    tenth = max(len(losses) // 10, 1)
    return sum(losses[:tenth]) / tenth, sum(losses[-tenth:]) / tenth


def visits(rows: int, batch: int, accumulate: int, steps: int, *, drop_last: bool = False) -> int:
    """How many rows `steps` optimiser steps see, when every epoch shuffles all `rows` into batches of `batch`.

    Epochs end with a smaller batch, unless `drop_last`, and a smaller accumulation.
    """
    batches = rows // batch if drop_last else -(-rows // batch)
    epoch_rows = batches * batch if drop_last else rows
    epoch_steps = max(-(-batches // accumulate), 1)
    whole, rest = divmod(steps, epoch_steps)
    return whole * epoch_rows + min(rest * accumulate * batch, epoch_rows)
