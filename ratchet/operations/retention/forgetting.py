"""Take a picture, and what was made from it, out of everything below the root.

A file that shows it is written anew beside the old one, under another name; then manifests name the new files; then the old ones go. A
manifest's content digest changes with its rows, and `forgotten` says how many went; its children keep the digest that they were made
of. Killed anywhere and run again, it ends the same. Weights are left as they are: which versions learned from it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq

from ratchet import canonical, rounds
from ratchet.artifacts.images import ROW_GROUP
from ratchet.artifacts.manifest import MANIFEST, Manifest, Pack, Shard, content_digest, read_manifest
from ratchet.artifacts.shards import parquet_bytes
from ratchet.errors import LeaseHeld
from ratchet.operations.retention.finding import Found, find, manifests, rows_of, versions_of
from ratchet.promptset import FORGOTTEN, SET_FILE, complete_sets, set_prefix
from ratchet.records import Record
from ratchet.registry import lease as leases
from ratchet.registry.base import Registry
from ratchet.store import Store

CACHES = ("answers/", "judgements/")


class Told(Record):
    """What forgetting found. `left` are small documents that still name the picture or a prompt by its hash."""

    sha256: str
    applied: bool
    derived: tuple[str, ...]
    rows: int
    files: tuple[str, ...]
    cached: int
    rounds: tuple[str, ...]
    versions: dict[str, list[str]]
    left: tuple[str, ...]


def forget(
    store: Store,
    registry: Registry,
    sha256: str,
    *,
    apply: bool = False,
    redraw: Callable[[str, int], None] | None = None,
) -> Told:
    """Say where the picture is and who learned from it; with `apply` take it out. `redraw` writes a round's pages anew.

    Raises LeaseHeld while a run works on a loop that has it, RatchetError for what is no SHA-256 and for files that cannot be read.
    """
    found = find(store, sha256)
    versions = versions_of(store, registry, found)
    cached = sum(1 for prefix in CACHES for _ in store.list(prefix))
    if apply:
        _check_still(store, found)
        _remember(store, found, versions)
        _take_out(store, found)
        for prefix in CACHES:
            for stat in list(store.list(prefix)):
                store.delete(store.key(stat.uri))
        _labels(store, found)
        for loop, number in sorted(found.rounds):
            if redraw is not None:
                redraw(loop, number)
    return Told(
        sha256=sha256,
        applied=apply,
        derived=tuple(sorted(found.derived)),
        rows=found.rows,
        files=tuple(sorted(found.packs | found.shards)),
        cached=cached,
        rounds=tuple(f"{loop}/{number}" for loop, number in sorted(found.rounds)),
        versions=versions,
        left=tuple(_left(store, found)),
    )


def _check_still(store: Store, found: Found) -> None:
    """Rows that change under a stage that works on them would make its result another one."""
    for loop in sorted({loop for loop, _ in found.rounds}):
        state = leases.read(store.sub(rounds.loop_prefix(loop)))
        if state is not None and not state.released and state.until > datetime.now(UTC):
            raise LeaseHeld(
                f"run {state.holder} works on loop {loop}, which has the picture. Wait for its end, or stop it with "
                f"`ratchet cancel --loop {loop}`; then forget again."
            )


def _remember(store: Store, found: Found, versions: dict[str, list[str]]) -> None:
    body = {"sha256": found.sha256, "at": datetime.now(UTC), "versions": versions, "prompts": sorted(found.prompts)}
    store.put(f"{FORGOTTEN}/{found.sha256}.json", canonical.pretty(body))


def _take_out(store: Store, found: Found) -> None:
    shards = {key: _shard_without(store, key, found) for key in sorted(found.shards)}
    packs = {store.uri(key): _pack_without(store, key, found) for key in sorted(found.packs)}
    for folder, manifest in list(manifests(store)):
        changed = _changed(folder, manifest, shards, packs)
        if changed is not None:
            store.put(f"{folder}/{MANIFEST}", canonical.pretty(changed.model_dump(mode="json")))
    _count_sets(store)
    for key in sorted(found.shards | found.packs):
        # The note first: without it a stage that was not finished writes the shard again.
        store.delete(f"{key}.json")
        store.delete(key)


def _count_sets(store: Store) -> None:
    """The index of a prompt set says how many rows each split has."""
    for one in list(complete_sets(store)):
        there = {
            split: store.key(uri) for split, uri in one.parts.items() if store.exists(f"{store.key(uri)}/{MANIFEST}")
        }
        rows = {**one.rows, **{split: read_manifest(store, place).rows for split, place in there.items()}}
        if rows != one.rows:
            changed = one.model_copy(update={"rows": rows})
            store.put(f"{set_prefix(one.digest)}/{SET_FILE}", canonical.pretty(changed.model_dump(mode="json")))


def _new_key(key: str, found: Found) -> str:
    return f"{key.removesuffix('.parquet')}-without-{found.sha256[:8]}.parquet"


def _shard_without(store: Store, key: str, found: Found) -> Shard:
    with store.open(key) as source:
        table = pq.read_table(source)
    rows = rows_of(table)
    keep = [not found.shows(row) for row in rows]
    left = table.filter(pa.array(keep))
    data = parquet_bytes(left)
    made = _new_key(key, found)
    store.put(made, data)
    hashed = f"{canonical.rows_hash(rows_of(left)):064x}"
    return Shard(name=made, rows=left.num_rows, size=len(data), sha256=canonical.sha256(data), rows_hash=hashed)


def _pack_without(store: Store, key: str, found: Found) -> Pack:
    with store.open(key) as source:
        table = pq.read_table(source)
    left = table.filter(pa.array([sha not in found.pictures for sha in table.column("sha256").to_pylist()]))
    sink = pa.BufferOutputStream()
    pq.write_table(left, sink, compression="none", row_group_size=ROW_GROUP)
    data = sink.getvalue().to_pybytes()
    made = _new_key(key, found)
    store.put(made, data)
    return Pack(uri=store.uri(made), size=len(data), sha256=canonical.sha256(data), images=left.num_rows)


def _changed(folder: str, manifest: Manifest, shards: dict[str, Shard], packs: dict[str, Pack]) -> Manifest | None:
    """The manifest with the new files in place of the old; None where it names none of them."""
    listed = [shards.get(f"{folder}/{one.name}") for one in manifest.shards]
    shown = [packs.get(one.uri) for one in manifest.packs]
    if not any(listed) and not any(shown):
        return None
    new = tuple(
        one if other is None else other.model_copy(update={"name": other.name.removeprefix(f"{folder}/")})
        for one, other in zip(manifest.shards, listed, strict=True)
    )
    rows = sum(one.rows for one in new)
    change = {
        "shards": new,
        "packs": tuple(other or one for one, other in zip(manifest.packs, shown, strict=True)),
        "rows": rows,
        "forgotten": manifest.forgotten + manifest.rows - rows,
        "content_digest": content_digest(manifest.schema_name, manifest.schema_version, new, manifest.results),
    }
    return manifest.model_copy(update=change)


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
