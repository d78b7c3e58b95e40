"""Writing files and manifests without a picture: new files first, then manifests that name them, then the old ones go."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from ratchet import canonical
from ratchet.artifacts.images import ROW_GROUP
from ratchet.artifacts.manifest import MANIFEST, Manifest, Pack, Shard, content_digest, read_manifest
from ratchet.artifacts.shards import parquet_bytes
from ratchet.operations.retention.finding import Found, manifests, rows_of
from ratchet.promptset import SET_FILE, complete_sets, set_prefix
from ratchet.store import Store


def take_out(store: Store, found: Found) -> None:
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
