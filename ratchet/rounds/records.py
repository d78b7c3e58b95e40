"""What is stored of a round: its ticket, what opened it, how it ended; and the places of a loop's objects."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field, field_validator

from ratchet.artifacts.manifest import ModelRef
from ratchet.autonomy import RoundAutonomy
from ratchet.errors import RoundError
from ratchet.recipe import Recipe
from ratchet.recipe.training.reading import forgiven
from ratchet.records import Record

State = Literal["PROMOTED", "REFUSED", "PENDING", "STALE", "STOPPED", "FAILED"]
_LOOP_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Ticket(Record):
    """What travels between the components instead of the round itself: enough to find it, and the lease's epoch."""

    root: str
    loop: str
    number: int
    job: str
    epoch: int


class Devices(Record):
    """What a round's stages take of what costs: GPUs where its profile has any, else whole machines. `by_stage` has the number
    of them; what is not in it takes none. Rounds that are older than the record have an empty one."""

    kind: str = "machine"
    by_stage: dict[str, int] = {}


class Round(Record):
    """One pass of the loop, opened. `prompts`, `report` and `pictures` (whose pool stands in for that of `prompts`) are
    digests of prompt sets; `control` marks a control arm; `autonomy` is None in rounds older than it. `models` are those beside
    the seed that the recipe names, as begin pinned them, by the name that the recipe gives them; `base` is the loop's first seed,
    where the recipe trains from it again; `suites` are digests of the suites that it measures, as begin prepared them. `budget` are
    hours of a device that it may take (0: as many as it needs), `devices` what its stages run on."""

    loop: str
    number: int = Field(ge=0)
    salt: str
    job: str
    seed: ModelRef
    recipe: Recipe
    prompts: str
    report: str
    pictures: str | None = None
    family: str
    control: str | None = None
    autonomy: RoundAutonomy | None = None
    models: dict[str, ModelRef] = {}
    base: ModelRef | None = None
    suites: dict[str, str] = {}
    budget: float = Field(0.0, ge=0)
    devices: Devices = Devices()
    opened: datetime = Field(default_factory=lambda: datetime.now(UTC))
    code_revision: str

    @field_validator("recipe", mode="before")
    @classmethod
    def _of_an_older_one(cls, given: Any) -> Any:
        """A stored recipe names every key; an older ratchet's those too that the method does not read."""
        return {**given, "train": forgiven(given["train"])} if isinstance(given, dict) and "train" in given else given

    @property
    def prefix(self) -> str:
        """Where the round's artifacts lie; a control arm's are apart, so nothing takes them for a round's."""
        if self.control is not None:
            return f"{loop_prefix(self.loop)}/controls/{self.control}/{self.number:04d}"
        return round_prefix(self.loop, self.number)


class RoundEnd(Record):
    """How a round ended, and why in words. `hours` of a device is what it took, None where nobody counted."""

    state: State
    reason: str
    job: str
    champion: str | None = None
    candidate: str | None = None
    hours: float | None = None
    ended: datetime = Field(default_factory=lambda: datetime.now(UTC))


def is_loop_name(name: str) -> bool:
    return _LOOP_NAME.fullmatch(name) is not None


def check_loop_name(loop: str) -> str:
    if not is_loop_name(loop):
        raise RoundError(
            f"loop name {loop!r} must be lower-case letters, digits and dashes, at most 63, beginning with a letter or digit."
        )
    return loop


def loop_prefix(loop: str) -> str:
    return f"loops/{check_loop_name(loop)}"


def round_prefix(loop: str, number: int) -> str:
    return f"{loop_prefix(loop)}/rounds/{number:04d}"


def run_key(loop: str, job: str) -> str:
    return f"{loop_prefix(loop)}/runs/{job}.json"
