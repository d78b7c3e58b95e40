"""Rounds that the trigger has asked for: written down before they are started, so that none is lost and none is doubled.

An ask is made by a conditional put on the next free number. A trigger that is killed after it finds the ask on its next start
and starts its round, with the same key, of which the starter makes one run; two triggers that decide at once make one ask.
"""

from __future__ import annotations

import re
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from ratchet import canonical
from ratchet.errors import Conflict, NotFound
from ratchet.operations.starting import Started
from ratchet.records import Record
from ratchet.rounds import loop_prefix
from ratchet.store import Store

Cause = Literal["move", "refused", "stale", "failed", "stopped", "vanished"]


class Ask(Record):
    """One round that is due. `move` and `round` are the newest that it answers: what came before needs no other round."""

    number: int = Field(ge=1)
    key: str
    cause: Cause
    why: str
    move: int = Field(ge=0, description="number of the newest move of the alias by then")
    round: int = Field(ge=0, description="the loop's last round by then; 0: none")
    open: bool = Field(description="whether that round had not ended")
    failures: int = Field(0, ge=0, description="asks in a row, this one included, that follow a failure")
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))


class AskStarted(Record):
    """The run that an ask became."""

    run: str
    url: str | None
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))


class Asks:
    """A loop's asks in the store."""

    def __init__(self, store: Store, loop: str) -> None:
        self._store = store
        self._place = f"{loop_prefix(loop)}/trigger/asks"
        self._last = 0

    def last(self) -> Ask | None:
        """The newest ask. Numbers have no gaps: from the last one known it is a step or two."""
        if not self._last:
            self._last = max(self._numbers(), default=0)
        while self._store.exists(self._key(self._last + 1)):
            self._last += 1
        return self.read(self._last) if self._last else None

    def read(self, number: int) -> Ask:
        content = canonical.loads(self._store.get(self._key(number)))
        return Ask.model_validate({name: value for name, value in content.items() if name != "token"})

    def all(self) -> list[Ask]:
        return [self.read(number) for number in sorted(self._numbers())]

    def make(self, ask: Ask) -> bool:
        """False when another trigger was faster: what it saw is to be looked at again before anything is asked."""
        # The token keeps two writers of equal asks apart: see Store.put_if.
        data = canonical.pretty({**ask.model_dump(mode="json"), "token": uuid.uuid4().hex})
        try:
            self._store.put_if(self._key(ask.number), data, absent=True)
        except Conflict:
            return False
        return True

    def started(self, number: int) -> AskStarted | None:
        try:
            return AskStarted.model_validate_json(self._store.get(self._key(number, ".started")))
        except NotFound:
            return None

    def write_started(self, number: int, run: Started) -> bool:
        """Whether this is what is kept now, and not what another trigger wrote of the same run."""
        record = AskStarted(run=run.run, url=run.url)
        with suppress(Conflict):
            self._store.put_if(
                self._key(number, ".started"), canonical.pretty(record.model_dump(mode="json")), absent=True
            )
            return True
        return False

    def _numbers(self) -> list[int]:
        found = (re.search(r"/(\d{4,})\.json$", stat.uri) for stat in self._store.list(f"{self._place}/"))
        return [int(one[1]) for one in found if one]

    def _key(self, number: int, kind: str = "") -> str:
        return f"{self._place}/{number:04d}{kind}.json"
