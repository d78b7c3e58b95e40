"""Take a picture, and what was made from it, out of everything below the root.

A file that shows it is written anew beside the old one, under another name; then manifests name the new files; then the old ones go. A
manifest's content digest changes with its rows, and `forgotten` says how many went; its children keep the digest that they were made
of. What is known of the picture is written down before anything changes, and read first by the next run: killed anywhere and
run again, it ends the same. Weights are left as they are: which versions learned from it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from pydantic import ValidationError

from ratchet import canonical
from ratchet.errors import NotFound, RatchetError
from ratchet.operations.retention.finding import Found, check_sha, find
from ratchet.operations.retention.holding import Holding
from ratchet.operations.retention.learning import merged, versions_of
from ratchet.operations.retention.pages import redraw_pages, runs_of
from ratchet.operations.retention.rewriting import take_out
from ratchet.promptset import FORGOTTEN
from ratchet.records import Record
from ratchet.registry.base import Registry
from ratchet.store import Store

CACHES = ("answers/", "judgements/")
TURNS = 5
Redraw = Callable[[str, int], None]


class Told(Record):
    """What forgetting found. `rounds` are those that have it, or began from prompts that do; `runs` those whose pages Kubeflow
    may keep; `left` small documents that still name the picture or a prompt by its hash."""

    sha256: str
    applied: bool
    derived: tuple[str, ...]
    rows: int
    files: tuple[str, ...]
    cached: int
    rounds: tuple[str, ...]
    versions: dict[str, list[str]]
    runs: tuple[str, ...]
    left: tuple[str, ...]


class Forgotten(Record):
    """The note on a picture: what is known of it, written before anything changes. `complete`: when all of it was gone."""

    sha256: str = ""
    at: datetime | None = None
    complete: datetime | None = None
    derived: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    rounds: tuple[tuple[str, int], ...] = ()
    learned: tuple[tuple[str, int], ...] = ()
    versions: dict[str, list[str]] = {}


def forget(
    store: Store,
    registry: Registry,
    sha256: str,
    *,
    apply: bool = False,
    redraw: Redraw | None = None,
) -> Told:
    """Say where the picture is and who learned from it; with `apply` take it out. `redraw` writes a round's pages anew.

    Raises LeaseHeld while a run works on a loop that has it, RatchetError for what is no SHA-256 and for files that cannot be read.
    """
    note = _note(store, check_sha(sha256))
    found = _look(store, sha256, note)
    cached = sum(1 for prefix in CACHES for _ in store.list(prefix))
    note = _joined(note, found, versions_of(store, registry, found.learned))
    if apply:
        note = _apply(store, registry, found, note, redraw)
    return Told(
        sha256=sha256,
        applied=apply,
        derived=note.derived,
        rows=found.rows,
        files=tuple(sorted(found.packs | found.shards)),
        cached=cached,
        rounds=tuple(f"{loop}/{number}" for loop, number in note.rounds),
        versions=note.versions,
        runs=runs_of(store, note.rounds),
        left=tuple(_left(store, found)),
    )


def _apply(store: Store, registry: Registry, found: Found, note: Forgotten, redraw: Redraw | None) -> Forgotten:
    """Rows that change under a stage that works on them would make its result another one: so no stage does meanwhile."""
    with Holding(store, found.sha256) as holding:
        for _ in range(TURNS):
            holding.take(found.loops)
            _write_note(store, note)
            take_out(store, found)
            _drop_caches(store)
            _labels(store, found)
            redraw_pages(store, registry, found.rounds, redraw)
            holding.check()
            # A loop that did not have it may have begun from prompts that did, while they were rewritten.
            found = _look(store, found.sha256, note)
            note = _joined(note, found, versions_of(store, registry, found.learned))
            if not found.shards and not found.packs:
                note = note.model_copy(update={"complete": datetime.now(UTC)})
                _write_note(store, note)
                return note
    raise RatchetError(
        f"picture {found.sha256} comes back while it is taken out, in {', '.join(sorted(found.shards | found.packs)[:3])}: stop what "
        "brings it (`ratchet status`, `ratchet schedule pause`), and forget again."
    )


def _note(store: Store, sha256: str) -> Forgotten:
    try:
        return Forgotten.model_validate_json(store.get(_note_key(sha256)))
    except NotFound:
        return Forgotten(sha256=sha256)
    except ValidationError as error:
        raise RatchetError(
            f"{store.uri(_note_key(sha256))} was written by another version of ratchet; use that version to forget."
        ) from error


def _look(store: Store, sha256: str, note: Forgotten) -> Found:
    return find(
        store,
        sha256,
        Found(
            sha256,
            derived=set(note.derived),
            prompts=set(note.prompts),
            rounds=set(note.rounds),
            learned=set(note.learned),
        ),
    )


def _joined(note: Forgotten, found: Found, versions: dict[str, list[str]]) -> Forgotten:
    return Forgotten(
        sha256=found.sha256,
        at=note.at or datetime.now(UTC),
        derived=tuple(sorted(found.derived)),
        prompts=tuple(sorted(found.prompts)),
        rounds=tuple(sorted(found.rounds)),
        learned=tuple(sorted(found.learned)),
        versions=merged(note.versions, versions),
    )


def _write_note(store: Store, note: Forgotten) -> None:
    store.put(_note_key(note.sha256), canonical.pretty(note.model_dump(mode="json")))


def _note_key(sha256: str) -> str:
    return f"{FORGOTTEN}/{sha256}.json"


def _drop_caches(store: Store) -> None:
    for prefix in CACHES:
        for stat in list(store.list(prefix)):
            store.delete(store.key(stat.uri))


def _labels(store: Store, found: Found) -> None:
    """What people wrote of answers to the picture loses its words, and keeps its place in the ledger."""
    for key, body in _documents(store, found):
        value = body.get("value")
        if "/labels/" in key and isinstance(value, dict):
            body["value"] = {**value, "text": "", "note": "", "prompt_id": "forgotten"}
            store.put(key, canonical.dumps(body))


def _left(store: Store, found: Found) -> Iterator[str]:
    for key, _ in _documents(store, found):
        if not key.startswith(f"{FORGOTTEN}/"):
            yield key


def _documents(store: Store, found: Found) -> Iterator[tuple[str, dict[str, object]]]:
    """JSON objects that name the picture or a prompt that showed it."""
    needles = [needle.encode() for needle in (*found.pictures, *found.prompts)]
    for stat in store.list():
        if stat.uri.endswith(".json") and any(needle in (data := store.get(store.key(stat.uri))) for needle in needles):
            body = canonical.loads(data)
            yield store.key(stat.uri), body if isinstance(body, dict) else {}
