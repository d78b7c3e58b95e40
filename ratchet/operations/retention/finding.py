"""Where a picture is: packs that hold it or what was made from it, rows that show it, rounds that have those."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from ratchet.artifacts.columns import RowSchema
from ratchet.artifacts.manifest import MANIFEST, Manifest
from ratchet.errors import NotFound, RatchetError
from ratchet.rounds import Round
from ratchet.store import Store

_ROUND = re.compile(r"loops/([^/]+)/rounds/(\d+)/")
_OPENED = re.compile(r"loops/[^/]+/rounds/\d+/round\.json")
_DIGEST = re.compile(r'"([0-9a-f]{64})"')
_SHA = re.compile(r"[0-9a-f]{64}")


@dataclass
class Found:
    """A picture's traces. `derived`: pictures that were made from it; `prompts`: ids of those that show it; `packs` and `shards`:
    keys of Parquet files; `rounds`: (loop, number) that have a trace; `learned`: those whose training rows show it."""

    sha256: str
    derived: set[str] = field(default_factory=set)
    prompts: set[str] = field(default_factory=set)
    packs: set[str] = field(default_factory=set)
    shards: set[str] = field(default_factory=set)
    rows: int = 0
    rounds: set[tuple[str, int]] = field(default_factory=set)
    learned: set[tuple[str, int]] = field(default_factory=set)

    @property
    def pictures(self) -> frozenset[str]:
        return frozenset({self.sha256, *self.derived})

    @property
    def loops(self) -> set[str]:
        """Loops that have it, in a round or a control arm."""
        keys = (key for key in self.shards | self.packs if key.startswith("loops/"))
        return {loop for loop, _ in self.rounds} | {key.split("/")[1] for key in keys}

    def shows(self, row: Mapping[str, Any]) -> bool:
        """Whether anything in a row is one of the pictures or the id of a prompt that shows the picture."""
        return any(word in self.pictures or word in self.prompts for word in words_of(row))

    def note(self, key: str) -> None:
        if place := _ROUND.match(key):
            self.rounds.add((place[1], int(place[2])))


def words_of(value: Any) -> Iterator[str]:
    """Every string in a row, and what stands behind the colon of `picture:<sha256>`."""
    if isinstance(value, str):
        yield value
        yield value.rpartition(":")[2]
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from words_of(one)
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        for one in value:
            yield from words_of(one)


def check_sha(given: str) -> str:
    """A picture's SHA-256. Raises RatchetError."""
    if not _SHA.fullmatch(given):
        raise RatchetError(
            f"{given!r} is no SHA-256: 64 hex digits in lower case, as `sha256sum PICTURE` prints. Reports and exports name "
            "pictures so."
        )
    return given


def find(store: Store, sha256: str, known: Found | None = None) -> Found:
    """Read every Parquet file below the root, and say where the picture is; `known` are traces that may be gone since."""
    found = known or Found(check_sha(sha256))
    candidates: set[str] = set()
    for _, table in tables(store):
        if is_pack(table):
            continue
        for row in rows_of(table):
            candidates |= _met(found, row)
    found.derived |= candidates - _originals(store, candidates) if candidates else set()
    for key, table in tables(store):
        _locate(found, key, table)
    _note_rounds(store, found)
    return found


def _note_rounds(store: Store, found: Found) -> None:
    """Rounds that name a prompt set which has it: what they drew from it may be on the way, or gone by age but for their pages."""
    sets = {key.split("/")[1] for key in found.shards | found.packs if key.startswith("prompts/")}
    if not sets:
        return
    for stat in store.list("loops/"):
        key = store.key(stat.uri)
        if _OPENED.fullmatch(key) and any(one[:32] in sets for one in _DIGEST.findall(store.get(key).decode())):
            found.note(key)


def _met(found: Found, row: Mapping[str, Any]) -> set[str]:
    """Note the prompt of a row that shows the picture; other pictures that a group shows in its place may be made from it."""
    prompt = _prompt_of(row)
    own = _shas(prompt.get("images"))
    if found.sha256 not in own:
        return set()
    found.prompts.add(str(prompt.get("id")))
    shown = {sha for one in row.get("completions") or () for sha in _shas((one.get("input") or {}).get("images"))}
    return shown - own


def _prompt_of(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A group's prompt; a row of a prompt set is one itself."""
    prompt = row.get("prompt")
    return prompt if isinstance(prompt, Mapping) else row


def _originals(store: Store, candidates: set[str]) -> set[str]:
    """Of these those that are some prompt's own picture: swapped in, not made."""
    known: set[str] = set()
    for _, table in tables(store):
        if is_pack(table):
            continue
        for row in rows_of(table):
            known |= candidates & _shas(_prompt_of(row).get("images"))
    return known


def _locate(found: Found, key: str, table: pa.Table) -> None:
    if is_pack(table):
        if found.pictures & set(table.column("sha256").to_pylist()):
            found.packs.add(key)
            found.note(key)
        return
    shown = sum(found.shows(row) for row in rows_of(table))
    if not shown:
        return
    found.rows += shown
    found.shards.add(key)
    found.note(key)
    place = _ROUND.match(key)
    if place and "/filter-" in key and any(row.get("uses") and found.shows(row) for row in rows_of(table)):
        found.learned.add((place[1], int(place[2])))


def _shas(images: Any) -> set[str]:
    return {str(one["sha256"]) for one in images or () if isinstance(one, dict)}


def tables(store: Store) -> Iterator[tuple[str, pa.Table]]:
    """Every Parquet file that can be read, with its key; a pack's without its bytes."""
    for stat in store.list():
        if not stat.uri.endswith(".parquet"):
            continue
        key = store.key(stat.uri)
        try:
            with store.open(key) as source:
                file = pq.ParquetFile(source)
                names = file.schema_arrow.names
                yield key, file.read(columns=["sha256"] if "image" in names and "sha256" in names else None)
        except (pa.ArrowInvalid, NotFound) as error:
            raise RatchetError(
                f"{stat.uri} cannot be read ({error}), so nobody knows what it shows. Mend or delete it, and try again."
            ) from error


def is_pack(table: pa.Table) -> bool:
    return list(table.column_names) == ["sha256"]


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    schema: RowSchema[Any] = RowSchema("any", 0, Round)
    return schema.dicts(table)


def manifests(store: Store) -> Iterator[tuple[str, Manifest]]:
    """Every manifest below the root with the folder that it lies in."""
    for stat in store.list():
        if stat.uri.endswith(f"/{MANIFEST}"):
            key = store.key(stat.uri)
            try:
                yield key.removesuffix(f"/{MANIFEST}"), Manifest.model_validate_json(store.get(key))
            except ValidationError as error:
                raise RatchetError(
                    f"{stat.uri} was written by another version of ratchet; use that version to forget."
                ) from error
