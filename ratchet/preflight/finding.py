"""What a check found: its result, what was seen, and how to mend it."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from ratchet.records import Record

Result = Literal["ok", "warn", "fail", "skipped"]


class Finding(Record):
    """`seen` in words; `fix` is the next step, of a warning and a failure always. Skipped: `seen` says why."""

    result: Result
    seen: str
    fix: str = ""

    @model_validator(mode="after")
    def _says_what_to_do(self) -> Finding:
        if self.result in ("warn", "fail") and not self.fix:
            raise ValueError(f"a finding that is {self.result} says how to mend it: {self.seen}")
        return self

    @property
    def bad(self) -> bool:
        return self.result == "fail"


class NotAsked(Exception):
    """What a check would look at is not there to be asked, which another check tells; `str` says which."""


class Answer(Record):
    """A finding by the name of its check, and what it took."""

    check: str
    what: str
    result: Result
    seen: str
    fix: str = ""
    seconds: float = 0.0


def ok(seen: str) -> Finding:
    return Finding(result="ok", seen=seen)


def warn(seen: str, fix: str) -> Finding:
    return Finding(result="warn", seen=seen, fix=fix)


def fail(seen: str, fix: str) -> Finding:
    return Finding(result="fail", seen=seen, fix=fix)


def skipped(why: str) -> Finding:
    return Finding(result="skipped", seen=why)


def worst(findings: list[Finding]) -> Finding:
    """One finding of several of the same kind: as bad as the worst, with the words of all that are as bad."""
    for result in ("fail", "warn", "ok", "skipped"):
        same = [one for one in findings if one.result == result]
        if same:
            fixes = list(dict.fromkeys(one.fix for one in same if one.fix))
            return Finding(result=same[0].result, seen="; ".join(one.seen for one in same), fix=" ".join(fixes))
    return skipped("nothing to look at")
