"""Where a training runs: in the stage's own process, in several of this machine, or on a cluster. The profile says which.

A launcher turns the stage's context into an Outcome; the stage alone holds the lease and commits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module

from ratchet.artifacts.manifest import ModelRef
from ratchet.errors import TrainError
from ratchet.stage import StageContext
from ratchet.train.orders import read_training
from ratchet.train.report import TrainReport


@dataclass(frozen=True)
class Outcome:
    """The trained model, uploaded and not registered, and how its training went."""

    model: ModelRef
    report: TrainReport


Launcher = Callable[[StageContext], Outcome]

_MODULES: Mapping[str, str] = {
    "inprocess": "ratchet.train.launchers.inprocess",
    "torchrun": "ratchet.train.launchers.torchrun",
    "trainjob": "ratchet.train.launchers.trainjob.launcher",
}
LAUNCHERS = tuple(_MODULES)


def trained_apart(context: StageContext, run: Callable[[StageContext], None], without: str) -> Outcome:
    """What other processes have trained and left in the store; `run` starts them, unless an earlier try has finished.

    Raises TrainError with the words `without` where they ended well and left nothing.
    """
    if read_training(context) is None:
        run(context)
    found = read_training(context)
    if found is None:
        raise TrainError(without)
    for kind, seconds in found.seconds.items():
        context.seconds[kind] = context.seconds.get(kind, 0.0) + seconds
    return Outcome(found.model, found.report)


def launcher(name: str) -> Launcher:
    """The launcher of that name; what it needs is imported now."""
    launch: Launcher = import_module(_MODULES[name]).launch
    return launch
