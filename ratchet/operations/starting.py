"""What starts a round, whoever asks for it: Kubeflow Pipelines on a cluster, a process of this machine."""

from __future__ import annotations

from typing import Literal, Protocol

from pydantic import Field

from ratchet.records import Record
from ratchet.registry.base import CHAMPION

Origin = Literal["person", "schedule", "trigger"]
"""Who starts a run; also the pipeline's parameter."""


class RoundRequest(Record):
    """One round of a loop. Two requests with the same key are one: the second starts nothing."""

    loop: str
    recipe: str
    seed: str = CHAMPION
    budget: float = 0.0
    resume: bool = False
    key: str = Field(description="what the round is asked for by: a move of the alias, a press of a button")
    why: str = Field(description="for people, shown with the run")
    origin: Origin = "person"


class Started(Record):
    """A run: its id, and whether this request started it or an earlier one with its key."""

    run: str
    new: bool
    url: str | None = None


class RunState(Record):
    """How a run of the platform stands; `state` in lower case: pending, running, succeeded, failed, cancelled."""

    run: str
    name: str
    loop: str | None
    state: str
    why: str | None = None


class Starter(Protocol):
    """Starts rounds. Raises PlatformError (refused) or PlatformUnavailable (did not answer after all retries)."""

    def start(self, request: RoundRequest) -> Started: ...

    def running(self, loop: str) -> list[RunState]:
        """Runs of the loop that have not ended."""
        ...
