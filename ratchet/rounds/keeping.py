"""Reading and writing what is stored of rounds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from pydantic import ValidationError

from ratchet import canonical
from ratchet.artifacts.manifest import MANIFEST, Manifest, parse_manifest
from ratchet.errors import Conflict, NotFound, RoundError
from ratchet.rounds.records import Round, RoundEnd, Ticket, is_loop_name, loop_prefix, round_prefix, run_key
from ratchet.store import Store


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
    """Names of the loops under this root. What lies there under no loop's name, such as .DS_Store, is nobody's loop."""
    return sorted(name for name in store.folders("loops/") if is_loop_name(name))


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
