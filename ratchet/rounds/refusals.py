"""Why a run's begin failed before there was a round to say it in, for finish and for people.

<root>/loops/<loop>/refusals/<job>.json
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from pydantic import Field

from ratchet import canonical
from ratchet.errors import NotFound, RatchetError
from ratchet.records import Record
from ratchet.rounds.failures import STOPS
from ratchet.rounds.records import loop_prefix
from ratchet.store import Store, open_store


class Refusal(Record):
    """What begin said. `error` is the name of the exception."""

    job: str
    error: str
    message: str
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))

    @property
    def words(self) -> str:
        return f"begin: {self.error}: {self.message}"

    @property
    def on_purpose(self) -> bool:
        """Whether nothing broke: the loop is stopped, say."""
        return self.error in STOPS


@contextmanager
def keeping_refusal(root: str, loop: str, job: str) -> Iterator[None]:
    """Keep what the block raises; if it goes well, forget what an earlier try of the same begin said."""
    try:
        yield
    except Exception as error:
        # A store that is away, or a name that is no loop's, must not hide what was raised.
        with suppress(RatchetError):
            said = Refusal(job=job, error=type(error).__name__, message=str(error)[:4000])
            open_store(root).put(_key(loop, job), canonical.pretty(said.model_dump(mode="json")))
        raise
    with suppress(RatchetError):
        open_store(root).delete(_key(loop, job))


def read_refusal(store: Store, loop: str, job: str) -> Refusal | None:
    try:
        return Refusal.model_validate_json(store.get(_key(loop, job)))
    except NotFound:
        return None


def latest_refusal(store: Store, loop: str) -> Refusal | None:
    """The last begin that failed, of those that no later try of the same run made good."""
    found = max(store.list(f"{_folder(loop)}/"), key=lambda one: one.modified, default=None)
    return None if found is None else Refusal.model_validate_json(store.get(store.key(found.uri)))


def _folder(loop: str) -> str:
    return f"{loop_prefix(loop)}/refusals"


def _key(loop: str, job: str) -> str:
    return f"{_folder(loop)}/{job}.json"
