"""What a launcher and its workers say to each other: an order going, a training or a failure coming back through the store.

<stage's place>/training/training.json                        the model, and how its training went
<stage's place>/training/failures/<attempt>/<rank>.json       what a worker said that failed
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from pydantic import ValidationError

from ratchet import canonical, errors
from ratchet.artifacts.manifest import ModelRef
from ratchet.errors import NotFound, RatchetError, TrainError
from ratchet.launching import Strategy
from ratchet.records import Record
from ratchet.rounds import Ticket
from ratchet.stage import StageContext
from ratchet.store import Store
from ratchet.train.report import TrainReport


class Order(Record):
    """All that a worker needs beside the environment: no secrets, so it may be an argument of a command.

    `parents` are the manifests' URIs. `key` is the stage's as the launcher knows it. `attempt` tells the failures of one
    launch from those of the next.
    """

    ticket: Ticket
    parents: dict[str, str]
    key: str
    attempt: str
    strategy: Strategy = "ddp"


class Trained(Record):
    """What the first worker leaves when all went well. `seconds` by kind, of that worker; `processes` that trained together."""

    model: ModelRef
    report: TrainReport
    seconds: dict[str, float]
    processes: int


class Failure(Record):
    """What a worker said when it failed: an error's class and text. `time` by its machine's clock."""

    rank: int
    error: str
    message: str
    time: float

    def as_error(self, more: str = "") -> RatchetError:
        """The same error again; one that is none of ratchet's is a TrainError."""
        kind = getattr(errors, self.error, None)
        if isinstance(kind, type) and issubclass(kind, RatchetError):
            return kind(f"{self.message}{more}")
        return TrainError(
            f"training failed in rank {self.rank}: {self.error}: {self.message} (mend it, and run the stage again){more}"
        )


def order_of(context: StageContext, attempt: str | None = None) -> Order:
    """The order for this stage's training. Raises TrainError for a context that has no lease."""
    if context.lease is None:
        raise TrainError("only a run that holds the loop's lease can have workers; run the stage by `ratchet train`.")
    opened = context.round
    return Order(
        ticket=Ticket(
            root=context.store.root,
            loop=opened.loop,
            number=opened.number,
            job=context.lease.holder,
            epoch=context.lease.epoch,
        ),
        parents={name: manifest.uri for name, manifest in context.parents.items()},
        key=context.key,
        attempt=attempt or uuid4().hex[:12],
        strategy=context.launcher.strategy,
    )


def read_training(context: StageContext) -> Trained | None:
    """What an earlier attempt has finished, else None. Raises TrainError for what another version has written."""
    key = _place(context, "training.json")
    try:
        return Trained.model_validate_json(context.store.get(key))
    except NotFound:
        return None
    except ValidationError as error:
        raise TrainError(
            f"{context.store.uri(key)} was written by another version of ratchet ({error.errors()[0]['msg']}); "
            "workers and stage must be of one version. Remove it and run the stage again."
        ) from error


def write_training(context: StageContext, training: Trained) -> None:
    _write(context.store, _place(context, "training.json"), training.model_dump(mode="json"))


def write_failure(context: StageContext, attempt: str, rank: int, error: BaseException) -> None:
    """Keep what a worker raised for its launcher."""
    said = Failure(rank=rank, error=type(error).__name__, message=str(error)[:4000], time=time.time())
    _write(context.store, _place(context, f"failures/{attempt}/{rank:04d}.json"), said.model_dump(mode="json"))


def read_failures(context: StageContext, attempt: str) -> list[Failure]:
    """What the workers of an attempt said, the first first."""
    return sorted(_failures(context, attempt), key=lambda said: said.time)


def _failures(context: StageContext, attempt: str) -> Iterator[Failure]:
    for stat in context.store.list(_place(context, f"failures/{attempt}/")):
        yield Failure.model_validate_json(context.store.get(context.store.key(stat.uri)))


def _place(context: StageContext, name: str) -> str:
    return f"{context.prefix}/training/{name}"


def _write(store: Store, key: str, body: dict[str, Any]) -> None:
    store.put(key, canonical.pretty(body))
