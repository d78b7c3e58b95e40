"""The manifest: the one small file that makes a folder of shards an artifact. It is written last."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import Field, ValidationError

from ratchet import canonical
from ratchet.errors import DigestMismatch, ManifestMissing, SchemaMismatch
from ratchet.records import Record
from ratchet.store import Store

MANIFEST = "manifest.json"
MANIFEST_VERSION = 1
SPENT = "spent"
"""The part of `results` that no digest covers."""


class Shard(Record):
    """One Parquet file. `rows_hash` is the additive hash of its canonical rows; sha256 and size are of the file."""

    name: str
    rows: int
    size: int
    sha256: str
    rows_hash: str


class Pack(Record):
    """A Parquet file of pictures (columns `sha256` and `image`). `uri` is absolute: packs are shared between artifacts."""

    uri: str
    size: int
    sha256: str
    images: int


class Parent(Record):
    uri: str
    content_digest: str


class ModelRef(Record):
    """An immutable model: `version` is the registry's, None outside of it; digest is over its files."""

    name: str
    version: str | None = None
    uri: str
    digest: str

    @property
    def label(self) -> str:
        return f"{self.name} v{self.version}" if self.version else f"{self.name} ({self.digest[:8]})"


class Manifest(Record):
    """What an artifact is, where it came from, and what it counts.

    `content_digest` covers schema, rows and `results`; not files, clocks, hosts, code revision or prices, nor where in a store
    a model of the results lies, which its own digest names.
    `results` is the stage's own outcome (a model, metrics, a decision) and must be deterministic; `seconds` need not be, nor
    `results.spent`: what judges cost depends on what was asked before. `forgotten` are rows that were taken out afterwards, with the
    picture that they showed.
    """

    manifest_version: int = MANIFEST_VERSION
    schema_name: str
    schema_version: int
    stage: str
    key: str
    loop: str | None = None
    round: int | None = None
    epoch: int | None = None
    rows: int
    shards: tuple[Shard, ...] = ()
    packs: tuple[Pack, ...] = ()
    parents: dict[str, Parent] = {}
    seed_model: ModelRef | None = None
    config: dict[str, Any] = {}
    code_revision: str
    image_digest: str | None = None
    counts: dict[str, int] = {}
    forgotten: int = 0
    results: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    created: datetime = Field(default_factory=lambda: datetime.now(UTC))
    content_digest: str
    uri: str

    def as_parent(self) -> Parent:
        return Parent(uri=self.uri, content_digest=self.content_digest)


def content_digest(schema_name: str, schema_version: int, shards: tuple[Shard, ...], results: dict[str, Any]) -> str:
    return _digest(schema_name, schema_version, shards, _without_addresses(results))


def _digest(schema_name: str, schema_version: int, shards: tuple[Shard, ...], results: dict[str, Any]) -> str:
    rows = sum(s.rows for s in shards)
    lasting = {name: value for name, value in results.items() if name != SPENT}
    body = [schema_name, schema_version, rows, canonical.add_hashes(s.rows_hash for s in shards), lasting]
    return canonical.digest(body)


def _without_addresses(value: Any) -> Any:
    """The same, but for the URIs of what has a digest (a ModelRef)."""
    if isinstance(value, dict):
        left_out = {"uri"} if "digest" in value else set()
        return {name: _without_addresses(one) for name, one in value.items() if name not in left_out}
    return [_without_addresses(one) for one in value] if isinstance(value, list | tuple) else value


def read_manifest(
    store: Store, prefix: str, schema_name: str | None = None, schema_version: int | None = None
) -> Manifest:
    """Read and check the manifest under `prefix`.

    Raises ManifestMissing where the stage never finished, SchemaMismatch for another schema or version (naming both),
    DigestMismatch when the manifest's own digest does not fit its rows and results.
    """
    key = f"{prefix}/{MANIFEST}"
    if store.stat(key) is None:
        raise ManifestMissing(
            f"no manifest at {store.uri(key)}: the stage that writes it did not finish. "
            "Run that stage again; what it has written is kept."
        )
    return parse_manifest(store.get(key), store.uri(key), schema_name, schema_version)


def parse_manifest(data: bytes, where: str, schema_name: str | None, schema_version: int | None) -> Manifest:
    """The checks of `read_manifest` on bytes; `where` is named in errors."""
    try:
        raw = canonical.loads(data)
    except ValueError as error:
        raise DigestMismatch(
            f"{where} is not JSON ({error}): it was cut or changed. Delete it and run the stage again."
        ) from error
    _check_schema(raw, where, schema_name, schema_version)
    try:
        manifest = Manifest.model_validate(raw)
    except ValidationError as error:
        raise SchemaMismatch(f"{where} is not a manifest of version {MANIFEST_VERSION}: {error}") from error
    covered = manifest.schema_name, manifest.schema_version, manifest.shards, manifest.results
    expected = content_digest(*covered)
    # Artifacts of before covered addresses too.
    if manifest.content_digest not in (expected, _digest(*covered)):
        raise DigestMismatch(
            f"{where} says content digest {manifest.content_digest[:12]}, but its shards and results give {expected[:12]}: "
            "it was changed by hand or by another program. Delete the artifact's folder and run the stage again."
        )
    return manifest


def _check_schema(raw: Any, where: str, name: str | None, version: int | None) -> None:
    found = raw.get("manifest_version") if isinstance(raw, dict) else None
    if found != MANIFEST_VERSION:
        raise SchemaMismatch(
            f"{where} has manifest version {found!r}; this ratchet reads version {MANIFEST_VERSION}. "
            "Use the ratchet that wrote it, or run the round again."
        )
    if name is not None and raw.get("schema_name") != name:
        raise SchemaMismatch(
            f"{where} holds {raw.get('schema_name')!r}; {name!r} is needed here. Give the artifact of the right stage."
        )
    if version is not None and raw.get("schema_version") != version:
        raise SchemaMismatch(
            f"{where} holds {raw.get('schema_name')} version {raw.get('schema_version')!r}; this ratchet reads version {version}. "
            "Use the ratchet that wrote it, or run the round again."
        )
