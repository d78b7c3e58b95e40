"""What a profile asks of a cluster, by stage: how much of which node, and through which queue."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ratchet.launching.trainjob import Toleration
from ratchet.profile import Profile
from ratchet.profile.tasks import PLACES

_QUANTITY = re.compile(r"(\d+(?:\.\d*)?(?:e\d+)?)(n|u|m|[kMGTPE]|[KMGTPE]i|)")
_UNITS = {"": 1.0, "n": 1e-9, "u": 1e-6, "m": 1e-3}
_UNITS |= {letter: 1000.0 ** (power + 1) for power, letter in enumerate("kMGTPE")}
_UNITS |= {f"{letter}i": 1024.0 ** (power + 1) for power, letter in enumerate("KMGTPE")}


@dataclass(frozen=True)
class Wanted:
    """One pod of a stage, `count` of them at once. `resources` by Kubernetes' names for them, as quantities."""

    stage: str
    resources: dict[str, str]
    selector: dict[str, str]
    tolerations: tuple[Toleration, ...]
    queue: str | None
    count: int = 1


def wanted(profile: Profile) -> list[Wanted]:
    """The pods of all stages, and those of a TrainJob."""
    found = [_of_stage(profile, stage) for stage in PLACES]
    job = profile.launcher.trainjob
    if job is not None:
        nodes = profile.launcher.nodes
        found.append(Wanted("trainjob", job.resources, dict(job.node_selector), job.tolerations, job.queue, nodes))
    return found


def _of_stage(profile: Profile, stage: str) -> Wanted:
    asks = profile.resources_of(stage)
    gpus = {asks.gpu: str(asks.gpus)} if asks.gpus else {}
    count = profile.parallelism if stage == "generate" else 1
    resources = {"cpu": asks.cpu, "memory": asks.memory, **gpus}
    return Wanted(stage, resources, dict(asks.node_selector), asks.tolerations, asks.queue, count)


def queues(profile: Profile) -> list[str]:
    """The LocalQueues that the profile names."""
    return sorted({one.queue for one in wanted(profile) if one.queue is not None})


def quantity(given: str | int) -> float:
    """500m -> 0.5, 2Gi -> 2147483648: a quantity of Kubernetes, of whatever resource. Raises ValueError."""
    found = _QUANTITY.fullmatch(str(given))
    if found is None:
        raise ValueError(f"{given!r} is no quantity of Kubernetes")
    return float(found[1]) * _UNITS[found[2]]
