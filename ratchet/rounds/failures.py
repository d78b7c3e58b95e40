"""What tasks said that failed, kept for finish and for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from ratchet import canonical
from ratchet.errors import AuditFailed, BudgetSpent, RoundStopped, StoreError
from ratchet.rounds.records import Ticket, round_prefix
from ratchet.store import Store, open_store

STOPS = (RoundStopped.__name__, BudgetSpent.__name__, AuditFailed.__name__)
"""Errors that end a round on purpose: nothing broke, and the same would be said again."""
MOST_TOLD = 4
"""Different failures, and parts that failed alike, that are told in full; the store keeps every one."""


@contextmanager
def keeping_failure(ticket: Ticket, stage: str, part: str = "") -> Iterator[None]:
    """Keep for finish what the block raises; if it goes well, forget what an earlier try of the same task said."""
    try:
        yield
    except Exception as error:
        # A store that is away must not hide what was raised.
        with suppress(StoreError):
            write_failure(open_store(ticket.root), ticket, stage, error, part)
        raise
    forget_failure(open_store(ticket.root), ticket, stage, part)


def write_failure(store: Store, ticket: Ticket, stage: str, error: BaseException, part: str = "") -> None:
    """Keep why a stage failed, for finish and for people. `part`: of which of its tasks ("shard 1"), where it has several."""
    body = {
        "stage": stage,
        "part": part,
        "job": ticket.job,
        "error": type(error).__name__,
        "message": str(error)[:4000],
    }
    store.put(_failure_key(ticket, stage, part), canonical.pretty(body))


def forget_failure(store: Store, ticket: Ticket, stage: str, part: str = "") -> None:
    """A task that went well at last did not fail."""
    store.delete(_failure_key(ticket, stage, part))


def _failure_key(ticket: Ticket, stage: str, part: str) -> str:
    place = f"{round_prefix(ticket.loop, ticket.number)}/failures"
    return (
        f"{place}/{stage}/{part.replace(' ', '-')}-{ticket.job}.json" if part else f"{place}/{stage}-{ticket.job}.json"
    )


def read_failures(store: Store, loop: str, number: int, job: str) -> dict[str, str]:
    """What the stages of a run said when they failed, by stage; where parts of a stage failed, which ones said what."""
    said: dict[str, dict[str, list[str]]] = {}
    for body in _failures(store, loop, number, job):
        words = f"{body['error']}: {body['message']}"
        said.setdefault(str(body["stage"]), {}).setdefault(words, []).append(str(body.get("part", "")))
    return {stage: _in_words(by_words) for stage, by_words in said.items()}


def read_stops(store: Store, loop: str, number: int, job: str) -> dict[str, str]:
    """Of a run's stages those that stopped the round on purpose, and why. An alarm of one part is told before another's budget."""
    found = [body for body in _failures(store, loop, number, job) if body["error"] in STOPS]
    found.sort(key=lambda body: body["error"] != BudgetSpent.__name__)
    return {str(body["stage"]): str(body["message"]) for body in found}


def only_budget_spent(store: Store, loop: str, number: int, job: str) -> bool:
    """Whether a run was stopped on purpose, and by nothing but its budget."""
    errors = {body["error"] for body in _failures(store, loop, number, job)} & set(STOPS)
    return errors == {BudgetSpent.__name__}


def _failures(store: Store, loop: str, number: int, job: str) -> Iterator[Mapping[str, Any]]:
    for stat in store.list(f"{round_prefix(loop, number)}/failures/"):
        body = canonical.loads(store.get(store.key(stat.uri)))
        if body["job"] == job:
            yield body


def _in_words(parts: Mapping[str, Sequence[str]]) -> str:
    """`parts` are the parts that said the same, by what they said: "shard 0, shard 2: OSError: disk full"."""
    alike = [(sorted(names, key=_counting), words) for words, names in parts.items()]
    alike.sort(key=lambda one: _counting(one[0][0]))
    lines = [f"{_told(names, 'more')}: {words}" if any(names) else words for names, words in alike]
    return _told(lines, "other failures", "; ")


def _told(words: Sequence[str], rest: str, between: str = ", ") -> str:
    left = len(words) - MOST_TOLD
    return between.join([*words[:MOST_TOLD], f"and {left} {rest}"] if left > 0 else words)


def _counting(name: str) -> tuple[str, int]:
    """Sort shard 2 before shard 10."""
    word, _, number = name.partition(" ")
    return word, int(number) if number.isdigit() else 0
