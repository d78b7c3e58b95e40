"""Where the rows come from: a file or a folder, on this machine or in S3, seen as tables to read row by row.

Nothing is copied: tables are streamed, and pictures fetched one by one, through the store that covers the source. That
store also refuses keys that lead out of it, by "..", by an absolute path or by a symbolic link.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratchet import canonical
from ratchet.errors import PromptSetError, StoreError
from ratchet.store import FolderStore, Store, open_store

FORMATS = {".parquet": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv"}
_OWN_SPLIT = re.compile(r"(train|training|validation|valid|val|dev|test)(?:[-_.].*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Table:
    """One file of rows. `name` is shown to people; `split` is what its name or folder says of its split."""

    key: str
    name: str
    format: str
    split: str | None = None

    @property
    def folder(self) -> str:
        """Pictures' paths are relative to this."""
        return self.key.rpartition("/")[0]


@dataclass(frozen=True)
class Source:
    """A store that covers the source, the tables in it, and a hash of the listing: names, sizes, and etags or times.

    `local` is the store's folder on this machine, where it is one.
    """

    store: Store
    tables: tuple[Table, ...]
    listing: str
    local: Path | None = None

    def leads_out(self, key: str) -> bool:
        """Whether a symbolic link takes `key` out of the source."""
        return self.local is not None and not Path(os.path.realpath(self.local / key)).is_relative_to(
            os.path.realpath(self.local)
        )


def open_source(given: str) -> Source:
    """Find the tables at `given`. Raises PromptSetError saying what was looked for."""
    if given.startswith("hf://"):
        from ratchet.sources import fetch_dataset

        folder, _ = fetch_dataset(given)
        given = str(folder)
    store, base, file = _root_of(given)
    local = Path(store.root.removeprefix("file://")) if isinstance(store, FolderStore) else None
    names, listing = _listed(_walked(local, base) if local is not None else _stored(store, base))
    if file is not None:
        suffix = os.path.splitext(file)[1].lower()
        if suffix not in FORMATS:
            raise PromptSetError(
                f"{given} is not a table that can be imported; give {', '.join(FORMATS)}, or a folder with such files."
            )
        return Source(store, (Table(base + file, file, FORMATS[suffix], _split_hint(file)),), listing, local)
    tables = _saved_tables(store, base, set(names)) or _plain_tables(given, base, names)
    return Source(store, tables, listing, local)


def _root_of(given: str) -> tuple[Store, str, str | None]:
    """The covering store, the source's prefix in it ("" or "a/b/"), and the file's name where the source is one file."""
    if given.startswith("s3://"):
        parent, _, name = given.rstrip("/").rpartition("/")
        if name and parent.count("/") > 1 and not given.endswith("/") and open_store(parent).exists(name):
            return open_store(parent), "", name
        return open_store(given.rstrip("/")), "", None
    path = Path(given.removeprefix("file://"))
    if path.is_file():
        store, base = _cover(path.parent)
        return store, base, path.name
    if path.is_dir():
        return *_cover(path), None
    raise PromptSetError(
        f"nothing to import at {given}: give a file, a folder, an s3:// address or hf://datasets/owner/name."
    )


def _cover(folder: Path) -> tuple[Store, str]:
    """The store at a folder. In a Hugging Face cache files are links from snapshots/<commit>/ to blobs/ beside it."""
    absolute = Path(os.path.abspath(folder))
    for snapshots in (p for p in absolute.parents if p.name == "snapshots" and (p.parent / "blobs").is_dir()):
        return FolderStore(snapshots.parent), absolute.relative_to(snapshots.parent).as_posix() + "/"
    return FolderStore(absolute), ""


def _listed(found: Iterator[tuple[str, list[int | str]]]) -> tuple[list[str], str]:
    """Names of possible tables, and a hash that changes when any file below the source does."""
    names, listing = [], hashlib.sha256()
    for name, state in found:
        listing.update(canonical.dumps([name, *state]))
        if os.path.splitext(name)[1].lower() in (*FORMATS, ".json"):
            names.append(name)
    return names, listing.hexdigest()


def _stored(store: Store, base: str) -> Iterator[tuple[str, list[int | str]]]:
    for stat in store.list(base):
        yield store.key(stat.uri)[len(base) :], [stat.size, stat.etag]


def _walked(local: Path, base: str) -> Iterator[tuple[str, list[int | str]]]:
    """Files below a local folder. Links to folders are not followed; a link that leads nowhere, or out, is only listed."""
    top = local / base
    for folder, folders, files in os.walk(top):
        folders.sort()
        for file in sorted(files):
            path = Path(folder, file)
            found = path.stat() if path.exists() else path.lstat()
            yield path.relative_to(top).as_posix(), [found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _saved_tables(store: Store, base: str, names: set[str]) -> tuple[Table, ...]:
    """Arrow files of a dataset written by `save_to_disk`, in their order; empty where it is none."""
    if "dataset_dict.json" in names:
        splits = _json(store, base + "dataset_dict.json").get("splits", [])
        return tuple(t for split in splits for t in _saved_split(store, base, f"{split}/", split))
    return _saved_split(store, base, "", None) if "state.json" in names else ()


def _saved_split(store: Store, base: str, folder: str, split: str | None) -> tuple[Table, ...]:
    state = _json(store, f"{base}{folder}state.json")
    try:
        files = [str(entry["filename"]) for entry in state["_data_files"]]
    except (KeyError, TypeError) as error:
        raise PromptSetError(
            f"{store.uri(base + folder + 'state.json')} does not list _data_files; save the dataset again with save_to_disk."
        ) from error
    return tuple(Table(f"{base}{folder}{file}", folder + file, "arrow", split) for file in files)


def _json(store: Store, key: str) -> dict[str, Any]:
    try:
        found = canonical.loads(store.get(key))
    except (ValueError, StoreError) as error:
        raise PromptSetError(
            f"{store.uri(key)} of the saved dataset cannot be read ({error}); save the dataset again."
        ) from error
    return found if isinstance(found, dict) else {}


def _plain_tables(given: str, base: str, names: list[str]) -> tuple[Table, ...]:
    found = [(name, FORMATS[suffix]) for name in names if (suffix := os.path.splitext(name)[1].lower()) in FORMATS]
    kinds = sorted({kind for _, kind in found})
    if not found:
        raise PromptSetError(
            f"no table in {given}: a source needs {', '.join(FORMATS)} files, or a dataset saved with save_to_disk."
        )
    if len(kinds) > 1:
        shown = ", ".join(name for name, _ in found[:6])
        raise PromptSetError(
            f"{given} holds tables of several kinds ({shown}); give the one file, or the folder, that is meant."
        )
    return tuple(Table(base + name, name, kind, _split_hint(name)) for name, kind in sorted(found))


def _split_hint(name: str) -> str | None:
    """`train` for train-00000-of-00001.parquet, train.jsonl and train/0.parquet."""
    for part in reversed(os.path.splitext(name)[0].split("/")):
        if match := _OWN_SPLIT.fullmatch(part):
            return match[1].lower()
    return None
