"""Where the rows come from: a file or a folder, on this machine or in S3, seen as tables to read row by row.

Nothing is copied: tables are streamed, and pictures fetched one by one, through the store that covers the source. That
store also refuses keys that lead out of it, by "..", by an absolute path or by a symbolic link.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ratchet import canonical
from ratchet.errors import PromptSetError, StoreError
from ratchet.importing.listing import (
    FORMATS,
    HIDDEN,
    LINKED,
    PICTURES,
    SPECIAL,
    Found,
    Listing,
    ending,
    is_picture,
    listed,
    named,
    stored,
    walked,
)
from ratchet.importing.patterns import expanded
from ratchet.importing.tables import Loose, Source, Table, split_hint
from ratchet.store import FolderStore, Store, open_store

ALONE = {"tar", "picture"}
"""Formats of files that refer to none beside them."""
KINDS = ", ".join(FORMATS)


@dataclass(frozen=True)
class Place:
    """The covering store, the source's prefix in it ("" or "a/b/"), and the pattern of its files where it names files."""

    given: str
    store: Store
    base: str
    files: str | None

    @property
    def local(self) -> Path | None:
        """The store's folder on this machine, where it is one."""
        return Path(self.store.root.removeprefix("file://")) if isinstance(self.store, FolderStore) else None

    def found(self, but: Path | None = None) -> Iterator[Found]:
        """All files below, without the one at the path `but`."""
        if self.local is None:
            yield from stored(self.store, self.base)
            return
        top = self.local / self.base
        yield from (f for f in walked(top) if but is None or top / f.name != but)

    def named(self, names: list[str]) -> Iterator[Found]:
        """These files, as far as they are there."""
        if self.local is not None:
            return named(self.local / self.base, names)
        wanted, start = set(names), (self.files or "").partition("{")[0]
        return (f for f in stored(self.store, self.base, start) if f.name in wanted)


def open_source(given: str, *, pictures: bool = False, rejects: Path | None = None) -> Source:
    """Find the tables at `given`, with `pictures` also loose pictures. Raises PromptSetError saying what was looked for.

    What lies at `rejects` is written by an import itself: it does not count as a part of the source.
    """
    if given.startswith("hf://"):
        from ratchet.sources import fetch_dataset

        folder, _ = fetch_dataset(given)
        given = str(folder)
    place = _place_of(given)
    own = rejects.resolve() if rejects is not None else None
    if place.files is not None:
        return _of_files(place, expanded(place.files) if _is_pattern(place) else [place.files], pictures, own)
    listing = listed(place.found(own), skip_hidden=pictures)
    tables = _saved_tables(place.store, place.base, set(listing.names))
    if not tables and pictures and _only_loose(place, listing):
        loose = Loose(partial(place.found, own), place.base)
        beside = Counter(f"files *{ending(name)}" for name in listing.names)
        return Source(place.store, loose, listing.digest, place.local, left_out=listing.left_out + beside)
    tables = tables or _plain_tables(place, listing, pictures)
    left_out = {kind: listing.left_out[kind] for kind in (HIDDEN, LINKED, SPECIAL) if kind in listing.left_out}
    return Source(place.store, tables, _with_names(listing, tables), place.local, left_out=left_out)


def _with_names(listing: Listing, tables: Iterable[Table]) -> str:
    return canonical.digest([listing.digest, [table.name for table in tables]])


def _of_files(place: Place, names: list[str], pictures: bool, own: Path | None) -> Source:
    """A source of named files. Raises PromptSetError for one that is missing or cannot be a table."""
    kinds = {name: FORMATS.get(ending(name)) or ("picture" if is_picture(name) and pictures else "") for name in names}
    for name, kind in kinds.items():
        if not kind:
            raise PromptSetError(f"{name} is not a table that can be imported; {_instead(name, pictures)}")
    missing = set(names) - {found.name for found in place.named(names)}
    if missing:
        raise PromptSetError(
            f"{len(missing)} of the {len(names)} files of {place.given} are missing (first: {min(missing)}); "
            "mend the pattern, or bring them there."
        )
    alone = set(kinds.values()) <= ALONE
    listing = listed(place.named(names) if alone else place.found(own), skip_hidden=False)
    tables = tuple(Table(place.base + name, name, kind, split_hint(name)) for name, kind in kinds.items())
    return Source(place.store, tables, _with_names(listing, tables), place.local, whole=False)


def _instead(name: str, pictures: bool) -> str:
    if is_picture(name):
        return "a picture without a question is imported with --pictures."
    unpack = "unpack it, and " if ending(name) in (".zip", ".7z", ".rar") else ""
    return f"{unpack}give {KINDS}{', a picture' if pictures else ''}, or a folder with such files."


def _place_of(given: str) -> Place:
    if given.startswith("s3://"):
        return _stored_place(given)
    path = Path(given.removeprefix("file://"))
    if path.is_file():
        return Place(given, *_cover(path.parent), path.name)
    if path.is_dir():
        return Place(given, *_cover(path), None)
    if "{" in str(path):
        folder, files = _parted(str(path))
        if Path(folder or ".").is_dir():
            return Place(given, *_cover(Path(folder or ".")), files)
    raise PromptSetError(
        f"nothing to import at {given}: give a file, a folder, a pattern such as 'pool-{{000..099}}.tar' (quoted), "
        "an s3:// address or hf://datasets/owner/name."
    )


def _stored_place(given: str) -> Place:
    parent, _, name = given.rstrip("/").rpartition("/")
    if name and parent.count("/") > 1 and not given.endswith("/") and open_store(parent).exists(name):
        return Place(given, open_store(parent), "", name)
    if "{" in given:
        folder, files = _parted(given)
        return Place(given, open_store(folder.rstrip("/")), "", files)
    return Place(given, open_store(given.rstrip("/")), "", None)


def _parted(given: str) -> tuple[str, str]:
    """The folder before a pattern's first brace, and the rest."""
    cut = given.rfind("/", 0, given.index("{")) + 1
    return given[:cut], given[cut:]


def _is_pattern(place: Place) -> bool:
    return place.files is not None and "{" in place.files and not place.store.exists(place.base + place.files)


def _cover(folder: Path) -> tuple[Store, str]:
    """The store at a folder. In a Hugging Face cache files are links from snapshots/<commit>/ to blobs/ beside it."""
    absolute = Path(os.path.abspath(folder))
    for snapshots in (p for p in absolute.parents if p.name == "snapshots" and (p.parent / "blobs").is_dir()):
        return FolderStore(snapshots.parent), absolute.relative_to(snapshots.parent).as_posix() + "/"
    return FolderStore(absolute), ""


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


def _only_loose(place: Place, listing: Listing) -> bool:
    """Whether the source is picture files. Raises PromptSetError where they lie beside tables that may hold pictures."""
    packed = [name for name in listing.names if FORMATS.get(ending(name)) in ("parquet", "tar")]
    if packed and listing.pictures:
        raise PromptSetError(
            f"{place.given} holds both packed pictures ({packed[0]}) and loose ones ({listing.first_picture}); "
            "give the one file, or the folder, that is meant."
        )
    return listing.pictures > 0


def _plain_tables(place: Place, listing: Listing, pictures: bool) -> tuple[Table, ...]:
    found = {name: FORMATS[ending(name)] for name in listing.names if ending(name) in FORMATS}
    tars = {_stem(name) for name, kind in found.items() if kind == "tar"}
    if pictures:  # a table beside an archive of its name, as img2dataset writes it, says where the pictures came from
        found = {name: kind for name, kind in found.items() if kind == "tar" or _stem(name) not in tars}
    elif set(found.values()) != {"tar"}:  # an archive beside other tables holds what their rows are about
        found = {name: kind for name, kind in found.items() if kind != "tar"}
    if not found:
        raise PromptSetError(_nothing(place, listing, pictures))
    if len(set(found.values())) > 1:
        shown = ", ".join([*found][:6])
        raise PromptSetError(
            f"{place.given} holds tables of several kinds ({shown}); give the one file, or the folder, that is meant."
        )
    return tuple(Table(place.base + name, name, kind, split_hint(name)) for name, kind in sorted(found.items()))


def _stem(name: str) -> str:
    return name[: len(name) - len(ending(name))]


def _nothing(place: Place, listing: Listing, pictures: bool) -> str:
    if listing.pictures:
        return (
            f"no table in {place.given}, but {listing.pictures} pictures: import them without questions with --pictures, "
            "or add a rows.jsonl that names each picture, its question and its answer."
        )
    there = ", ".join(f"{kind} ({count})" for kind, count in listing.left_out.most_common(6)) or "nothing"
    wanted = f"no picture in {place.given}: {', '.join(PICTURES)}," if pictures else f"no table in {place.given}:"
    return f"{wanted} {KINDS} files, or a dataset saved with save_to_disk, are needed; there is {there}."
