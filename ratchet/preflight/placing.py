"""What a profile asks of a cluster, by stage: how much of which node, and through which queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ratchet.launching.trainjob import Toleration
from ratchet.profile import IMAGE_OF_TASK, RESOURCES_OF_TASK, Profile


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
    """The pods of all stages whose resources the profile names, and those of a TrainJob."""
    stages = dict.fromkeys(RESOURCES_OF_TASK.get(task, task) for task in IMAGE_OF_TASK)
    found = [_of_stage(profile, stage) for stage in stages if stage in profile.resources]
    job = profile.launcher.trainjob
    if job is not None:
        nodes = profile.launcher.nodes
        found.append(Wanted("trainjob", job.resources, dict(job.node_selector), job.tolerations, job.queue, nodes))
    return found


def _of_stage(profile: Profile, stage: str) -> Wanted:
    asks: Any = profile.resources_of(stage)
    gpus = {asks.gpu: str(asks.gpus)} if asks.gpus else {}
    selector = {**getattr(profile, "node_selector", {}), **getattr(asks, "node_selector", {})}
    tolerations = (*getattr(profile, "tolerations", ()), *getattr(asks, "tolerations", ()))
    queue = getattr(asks, "queue", None) or getattr(profile, "queue", None)
    count = profile.parallelism if stage == "generate" else 1
    return Wanted(stage, {"cpu": asks.cpu, "memory": asks.memory, **gpus}, selector, tolerations, queue, count)


def queues(profile: Profile) -> list[str]:
    """The LocalQueues that the profile names."""
    named = [one.queue for one in wanted(profile)] + [getattr(profile, "queue", None)]
    return sorted({one for one in named if one is not None})
