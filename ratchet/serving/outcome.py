"""What came of following the alias."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from ratchet.records import Record

State = Literal["served", "unchanged", "aborted", "superseded", "absent", "rolling"]
Said = Callable[[str], None]


class Followed(Record):
    """`version` is the one that was asked for, `serving` the one that has the traffic now; None: none. `by`: the person who
    aborted it, for `why`."""

    name: str
    state: State
    version: str | None
    serving: str | None
    why: str | None = None
    by: str | None = None


class Aborted(Exception):
    """The canary takes no traffic. `final`: it would be the same again, so it is not tried again unasked; `by`: the person who
    ended it, None where nobody did."""

    def __init__(self, why: str, *, final: bool = True, by: str | None = None) -> None:
        super().__init__(why)
        self.final, self.by = final, by
