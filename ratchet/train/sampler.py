"""TRL's trainers take their rows in the order of a curriculum.

An order is a pure function of the epoch, which is read from the trainer's state: right also where a training goes on from a
checkpoint, in each of its processes. (Accelerate's `set_epoch` does not reach the sampler of several processes that go on from
the middle of an epoch.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch.utils.data import Sampler
from trl.trainer.utils import RepeatSampler

from ratchet.train.curriculum import RowOrder, intake
from ratchet.train.report import TrainReport


class OrderSampler(Sampler[int]):  # type: ignore[misc]
    """The rows of the epoch that `epoch` says, a whole number of batches of `multiple` rows."""

    def __init__(self, order: RowOrder, epoch: Callable[[], int], multiple: int = 1) -> None:
        self.order, self.epoch, self.multiple = order, epoch, multiple

    def __iter__(self) -> Iterator[int]:
        yield from self.order.epoch(self.epoch(), self.multiple)

    def __len__(self) -> int:
        return len(self.order.facts) // self.multiple * self.multiple


class RepeatedOrderSampler(OrderSampler):
    """As TRL's RepeatSampler for online methods: `multiple` prompts, each `copies` times in a row, and these `passes` times."""

    def __init__(self, order: RowOrder, epoch: Callable[[], int], multiple: int, copies: int, passes: int) -> None:
        super().__init__(order, epoch, multiple)
        self.copies, self.passes = copies, passes

    def __iter__(self) -> Iterator[int]:
        rows = list(super().__iter__())
        for start in range(0, len(rows), self.multiple):
            for _ in range(self.passes):
                for row in rows[start : start + self.multiple]:
                    yield from [row] * self.copies

    def __len__(self) -> int:
        return super().__len__() * self.copies * self.passes


def ordered(order: RowOrder) -> type:
    """What is put onto a trainer so that it takes its rows in this order."""

    class Ordered:
        def _get_train_sampler(self, *given: Any, **named: Any) -> OrderSampler:
            own = super()._get_train_sampler(*given, **named)  # type: ignore[misc]
            return _like(own, order, self)

    return Ordered


def described(report: TrainReport, trainer: Any, order: RowOrder | None) -> TrainReport:
    """The report with what it was made from, where the order was ours."""
    if order is None:
        return report
    sampler = trainer._get_train_sampler()
    drawn = report.visits
    if isinstance(sampler, RepeatedOrderSampler):
        # TRL draws prompts anew after so many passes, each of one backward call.
        calls = report.steps * trainer.args.gradient_accumulation_steps
        drawn = -(-calls // sampler.passes) * sampler.multiple
    return report.model_copy(update={"intake": intake(order, order.seen(drawn, sampler.multiple))})


def _like(own: Any, order: RowOrder, trainer: Any) -> OrderSampler:
    """Our sampler in the place of TRL's own."""

    def epoch() -> int:
        # Shares of an epoch are sums of floats.
        return int((trainer.state.epoch or 0.0) + 1e-6)

    if isinstance(own, RepeatSampler):
        return RepeatedOrderSampler(order, epoch, own.batch_size, own.mini_repeat_count, own.repeat_count)
    args = trainer.args
    return OrderSampler(order, epoch, args.train_batch_size * args.world_size if args.dataloader_drop_last else 1)
