"""The tasks of the pipeline, and what each of them has unless a profile says otherwise."""

from __future__ import annotations

from collections.abc import Mapping

IMAGE_OF_TASK: Mapping[str, str] = {
    "begin": "core",
    "generate": "inference",
    "generate-shard": "inference",
    "merge": "core",
    "verify": "core",
    "filter": "core",
    "train": "training",
    "evaluate": "inference",
    "promote": "core",
    "finish": "core",
}
"""The dependency set of a task."""
RESOURCES_OF_TASK: Mapping[str, str] = {"generate-shard": "generate"}
"""Tasks that get a stage's resources and time; all others have their own name's."""
PLACES = tuple(task for task in IMAGE_OF_TASK if task not in RESOURCES_OF_TASK)
"""What `resources` and `timeouts` may name."""
WITHOUT_MODELS = "core"
"""The dependency set that has no torch."""
HERE = "python:"
"""Images of the local profile are this machine's own environment, which has what it has."""

SHORT, LONG = "1h", "24h"
TIMEOUTS: Mapping[str, str] = {
    "begin": SHORT,
    "generate": LONG,
    "merge": SHORT,
    "verify": LONG,
    "filter": LONG,
    "train": LONG,
    "evaluate": LONG,
    "promote": SHORT,
    "finish": SHORT,
}
"""How long a try of a task may run; without a limit a pod whose image cannot be pulled would wait for ever."""

LEASE = "6h"
"""How long a run of a cluster keeps its loop between two tasks, while a pod waits for a node, an image or a queue."""
LEASE_VARIABLE = "RATCHET_LEASE_SECONDS"


def place_of(task: str) -> str:
    """The name under which a profile places the task."""
    return RESOURCES_OF_TASK.get(task, task)
