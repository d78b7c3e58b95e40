"""The round as it is stored: what opened it, what it reads, how it ended; and where everything of a loop lies.

<root>/loops/<loop>/lease.json
<root>/loops/<loop>/runs/<job>.json          which round a run works on
<root>/loops/<loop>/rounds/0007/round.json   written by begin, never changed
<root>/loops/<loop>/rounds/0007/<stage>-<key>/manifest.json
<root>/loops/<loop>/rounds/0007/failures/    what tasks said that failed: <stage>-<job>.json, <stage>/<part>-<job>.json
<root>/loops/<loop>/rounds/0007/alarms/      what the round watched in itself: <stage>.json
<root>/loops/<loop>/rounds/0007/end.json     written by finish, or by the begin that closed the round
<root>/loops/<loop>/rounds/0007/approval.json  what a person answered where the recipe leaves the last word to one
<root>/loops/<loop>/promotions/  <root>/looks/{<family>,items}/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from ratchet import canonical
from ratchet.artifacts.manifest import MANIFEST, Manifest, ModelRef, parse_manifest
from ratchet.autonomy import RoundAutonomy
from ratchet.errors import AuditFailed, Conflict, NotFound, RoundError, RoundStopped, StoreError
from ratchet.recipe import Recipe
from ratchet.recipe.training.reading import forgiven
from ratchet.records import Record
from ratchet.store import Store, open_store

State = Literal["PROMOTED", "REFUSED", "PENDING", "STALE", "STOPPED", "FAILED"]
STOPS = (RoundStopped.__name__, AuditFailed.__name__)
"""Errors that end a round on purpose: nothing broke, and the same would be said again."""
MOST_TOLD = 4
"""Different failures, and parts that failed alike, that are told in full; the store keeps every one."""
_LOOP_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Ticket(Record):
    """What travels between the components instead of the round itself: enough to find it, and the lease's epoch."""

    root: str
    loop: str
    number: int
    job: str
    epoch: int


class Round(Record):
    """One pass of the loop, opened. `prompts`, `report` and `pictures` (whose pool stands in for that of `prompts`) are
    digests of prompt sets; `control` marks a control arm; `autonomy` is None in rounds older than it. `models` are those beside
    the seed that the recipe names, as begin pinned them, by the name that the recipe gives them; `base` is the loop's first seed,
    where the recipe trains from it again; `suites` are digests of the suites that it measures, as begin prepared them."""

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
    """How a round ended, and why in words."""

    state: State
    reason: str
    job: str
    champion: str | None = None
    candidate: str | None = None
    ended: datetime = Field(default_factory=lambda: datetime.now(UTC))


def check_loop_name(loop: str) -> str:
    if not _LOOP_NAME.fullmatch(loop):
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


def write_run(store: Store, ticket: Ticket) -> None:
    store.put(run_key(ticket.loop, ticket.job), canonical.pretty(ticket.model_dump(mode="json")))


def read_run(store: Store, loop: str, job: str) -> Ticket | None:
    """The ticket of a run, or None when its begin never got as far."""
    try:
        return Ticket.model_validate_json(store.get(run_key(loop, job)))
    except NotFound:
        return None


def write_round(store: Store, opened: Round) -> None:
    store.put_if(f"{opened.prefix}/round.json", canonical.pretty(opened.model_dump(mode="json")), absent=True)


def read_round(store: Store, loop: str, number: int) -> Round:
    try:
        return Round.model_validate_json(store.get(f"{round_prefix(loop, number)}/round.json"))
    except NotFound:
        raise RoundError(
            f"loop {loop} has no round {number} under {store.root}; `ratchet status --loop {loop}` lists its rounds."
        ) from None
    except ValidationError as error:
        raise RoundError(
            f"round {number} of loop {loop} under {store.root} was written by another version of ratchet "
            f"({error.errors()[0]['msg']}: {'.'.join(map(str, error.errors()[0]['loc']))}). Use that version, or begin a loop of "
            "another name."
        ) from error


def read_end(store: Store, loop: str, number: int) -> RoundEnd | None:
    try:
        return RoundEnd.model_validate_json(store.get(f"{round_prefix(loop, number)}/end.json"))
    except NotFound:
        return None


def write_end(store: Store, loop: str, number: int, end: RoundEnd) -> RoundEnd:
    """Write how the round ended and return what stands.

    A FAILED round may still be completed and a PENDING one answered; any other end is final.
    """
    key = f"{round_prefix(loop, number)}/end.json"
    data = canonical.pretty(end.model_dump(mode="json"))
    try:
        store.put_if(key, data, absent=True)
    except Conflict:
        stat, said = store.stat(key), read_end(store, loop, number)
        if said is None or stat is None:
            raise
        if end.state == "FAILED" or said.state not in ("FAILED", "PENDING") or said.state == end.state:
            return said
        with suppress(Conflict):
            store.put_if(key, data, etag=stat.etag)
            return end
        return write_end(store, loop, number, end)  # another was faster: see what stands now
    return end


def reopen(store: Store, loop: str, number: int) -> None:
    """Take back a FAILED end, keeping what it said beside it."""
    end = read_end(store, loop, number)
    if end is None:
        return
    key = f"{round_prefix(loop, number)}/end.json"
    store.put(f"{round_prefix(loop, number)}/ends/{end.job}.json", store.get(key))
    store.delete(key)


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
    """Of a run's stages those that stopped the round on purpose, and why."""
    found = _failures(store, loop, number, job)
    return {str(body["stage"]): str(body["message"]) for body in found if body["error"] in STOPS}


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


def numbers(store: Store, loop: str) -> list[int]:
    """The loop's rounds, in order."""
    prefix = f"{loop_prefix(loop)}/rounds/"
    found = set()
    for stat in store.list(prefix):
        key = store.key(stat.uri)
        if key.removeprefix(prefix).count("/") != 1:
            continue  # what lies deeper is a part of a stage, such as a shard
        if key.endswith("/round.json"):
            found.add(int(key[len(prefix) :].split("/", 1)[0]))
    return sorted(found)


def loops(store: Store) -> list[str]:
    """Names of the loops under this root."""
    return sorted({store.key(s.uri).split("/")[1] for s in store.list("loops/")})


def manifests(store: Store, loop: str, number: int) -> dict[str, Manifest]:
    """The finished stages of a round, by stage name. A repeated stage (another key) shows its newest manifest."""
    found: dict[str, Manifest] = {}
    for manifest in _all_manifests(store, f"{round_prefix(loop, number)}/"):
        known = found.get(manifest.stage)
        if known is None or manifest.created >= known.created:
            found[manifest.stage] = manifest
    return found


def _all_manifests(store: Store, prefix: str) -> Iterator[Manifest]:
    for stat in store.list(prefix):
        key = store.key(stat.uri)
        if key.endswith(f"/{MANIFEST}") and key.count("/") == prefix.count("/") + 1:
            yield parse_manifest(store.get(key), stat.uri, None, None)
