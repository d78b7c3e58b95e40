"""Writing an artifact shard by shard, manifest last, and reading it back.

A shard is a Parquet file and a small JSON beside it, written after it, that says what the file must be. A stage that was
killed finds the shards it has finished by those files; the artifact exists only once its manifest does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from ratchet import canonical
from ratchet.artifacts.columns import RowSchema
from ratchet.artifacts.manifest import MANIFEST, Manifest, ModelRef, Pack, Parent, Shard, content_digest, read_manifest
from ratchet.errors import Conflict, DigestMismatch, NotFound, ShardUnreadable
from ratchet.provenance import code_revision, image_digest
from ratchet.records import Record
from ratchet.store import Store

R = TypeVar("R", bound=Record)
REMOVED = "removed.json"
"""Beside a manifest: its shards were deleted by age, and when."""


@dataclass(frozen=True)
class Header:
    """What a manifest says of its origin; the writer adds what it has written."""

    stage: str
    key: str
    loop: str | None = None
    round: int | None = None
    epoch: int | None = None
    parents: Mapping[str, Parent] = field(default_factory=dict)
    seed_model: ModelRef | None = None
    config: Mapping[str, Any] = field(default_factory=dict)


class ArtifactWriter(Generic[R]):
    """Writes one artifact under `prefix` of `store`. Safe to kill at any point and to run again.

    Two writers of the same place write the same bytes, because a place is keyed by everything its content depends on.
    """

    def __init__(self, store: Store, prefix: str, schema: RowSchema[R], header: Header) -> None:
        self.store = store
        self.prefix = prefix
        self.schema = schema
        self.header = header
        self._shards: dict[str, Shard] = {}

    def existing(self) -> Manifest | None:
        """The finished artifact, if it is there."""
        if self.store.stat(f"{self.prefix}/{MANIFEST}") is None:
            return None
        return read_manifest(self.store, self.prefix, self.schema.name, self.schema.version)

    def finished(self, index: int) -> Shard | None:
        """The shard with this index, if an earlier try finished it and its file still has the recorded size."""
        name = shard_name(index)
        if name in self._shards:
            return self._shards[name]
        try:
            shard = Shard.model_validate_json(self.store.get(self._note(name)))
        except NotFound:
            return None
        stat = self.store.stat(f"{self.prefix}/{name}")
        if stat is None or stat.size != shard.size:
            return None
        self._shards[name] = shard
        return shard

    def write(self, index: int, rows: Iterable[R]) -> Shard:
        return self.write_table(index, self.schema.table(rows))

    def write_table(self, index: int, table: pa.Table, rows_hash: str | None = None) -> Shard:
        """Write shard `index`. Give `rows_hash` where it is known already (rows copied from a parent unchanged)."""
        name = shard_name(index)
        data = parquet_bytes(table)
        shard = Shard(
            name=name,
            rows=table.num_rows,
            size=len(data),
            sha256=canonical.sha256(data),
            rows_hash=rows_hash if rows_hash is not None else self.schema.rows_hash(table),
        )
        self.store.put(f"{self.prefix}/{name}", data)
        self.store.put(self._note(name), canonical.dumps(shard.model_dump()))
        self._shards[name] = shard
        return shard

    def adopt(self, folder: str, part: Manifest) -> None:
        """List the files of `part`, an artifact at `folder` below this one, as this artifact's own. Nothing is copied."""
        for shard in part.shards:
            name = f"{folder}/{shard.name}"
            self._shards[name] = shard.model_copy(update={"name": name})

    def commit(
        self,
        *,
        counts: Mapping[str, int] | None = None,
        results: Mapping[str, Any] | None = None,
        seconds: Mapping[str, float] | None = None,
        packs: Iterable[Pack] = (),
    ) -> Manifest:
        """Write the manifest; from here on the artifact exists. Returns the one that is there if another was first."""
        shards = tuple(self._shards[name] for name in sorted(self._shards))
        outcome = canonical.loads(canonical.dumps(dict(results or {})))
        header = self.header
        manifest = Manifest(
            schema_name=self.schema.name,
            schema_version=self.schema.version,
            stage=header.stage,
            key=header.key,
            loop=header.loop,
            round=header.round,
            epoch=header.epoch,
            rows=sum(s.rows for s in shards),
            shards=shards,
            packs=tuple(packs),
            parents=dict(header.parents),
            seed_model=header.seed_model,
            config=dict(header.config),
            code_revision=code_revision(),
            image_digest=image_digest(),
            counts=dict(counts or {}),
            results=outcome,
            seconds={k: round(v, 3) for k, v in (seconds or {}).items()},
            content_digest=content_digest(self.schema.name, self.schema.version, shards, outcome),
            uri=self.store.uri(self.prefix),
        )
        return self._put_manifest(manifest)

    def _put_manifest(self, manifest: Manifest) -> Manifest:
        key = f"{self.prefix}/{MANIFEST}"
        try:
            self.store.put_if(key, canonical.pretty(manifest.model_dump(mode="json")), absent=True)
        except Conflict:
            winner = read_manifest(self.store, self.prefix, self.schema.name, self.schema.version)
            if winner.content_digest != manifest.content_digest:
                raise DigestMismatch(
                    f"{self.store.uri(key)} was written by another run with content {winner.content_digest[:12]}, this run made "
                    f"{manifest.content_digest[:12]}: the stage is not deterministic here. Compare code revisions "
                    f"({winner.code_revision}, {manifest.code_revision}) and thread counts."
                ) from None
            return winner
        return manifest

    def _note(self, name: str) -> str:
        return f"{self.prefix}/{name}.json"


def shard_name(index: int) -> str:
    return f"shard-{index:05d}.parquet"


def parquet_bytes(table: pa.Table) -> bytes:
    """A Parquet file in memory. Zstandard, one row group: shards are small, and read whole."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", row_group_size=max(table.num_rows, 1))
    data: bytes = sink.getvalue().to_pybytes()
    return data


class Artifact(Generic[R]):
    """A finished artifact, opened for reading. Opening reads only the manifest."""

    def __init__(self, store: Store, prefix: str, schema: RowSchema[R]) -> None:
        self.store = store
        self.prefix = prefix
        self.schema = schema
        self.manifest = read_manifest(store, prefix, schema.name, schema.version)

    @classmethod
    def open(cls, store: Store, uri: str, schema: RowSchema[R]) -> Artifact[R]:
        return cls(store, store.key(uri), schema)

    def tables(self, start: int = 0) -> Iterator[pa.Table]:
        """One table per shard, each checked against the manifest; only one is in memory at a time."""
        for shard in self.manifest.shards[start:]:
            yield self.table(shard)

    def table(self, shard: Shard) -> pa.Table:
        return read_shard(self.store, f"{self.prefix}/{shard.name}", shard)

    def rows(self) -> Iterator[R]:
        """All rows as records, shard by shard."""
        for table in self.tables():
            yield from self.schema.rows(table)


def read_shard(store: Store, key: str, shard: Shard) -> pa.Table:
    """Read one Parquet shard. Raises ShardUnreadable (missing, truncated, not Parquet) or DigestMismatch (changed)."""
    where = store.uri(key)
    try:
        data = store.get(key)
    except NotFound as error:
        note = f"{key.rsplit('/', 1)[0]}/{REMOVED}"
        if store.exists(note):
            raise ShardUnreadable(
                f"{where} was removed by retention, as {store.uri(note)} says: its round is over and promoted nothing. What it "
                "counted is in its manifest; what was learned from is in the round's filter."
            ) from error
        raise ShardUnreadable(
            f"{where} is missing, but the manifest lists it ({shard.rows} rows). Delete the manifest and run the stage again."
        ) from error
    if len(data) != shard.size:
        raise ShardUnreadable(
            f"{where} has {len(data)} bytes, the manifest says {shard.size}: it is truncated. Delete the artifact's folder and run the stage again."
        )
    if canonical.sha256(data) != shard.sha256:
        raise DigestMismatch(
            f"{where} does not have the SHA-256 that the manifest records: its bytes were changed. Delete the artifact's folder and run the stage again."
        )
    try:
        return pq.read_table(pa.BufferReader(data))
    except (pa.ArrowInvalid, OSError) as error:
        raise ShardUnreadable(
            f"{where} is not a Parquet file ({error}). Delete the artifact's folder and run the stage again."
        ) from error
