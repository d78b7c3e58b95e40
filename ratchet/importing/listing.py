"""What lies at a source: every file below it, named once, in one order on disks and in S3."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ratchet import canonical
from ratchet.errors import PromptSetError
from ratchet.store import Store

FORMATS = {
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tar": "tar",
    ".tar.gz": "tar",
    ".tgz": "tar",
}
PICTURES = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
SAVED = ("state.json", "dataset_dict.json")
HIDDEN = "hidden files"
LINKED = "links to folders, which are not followed"
SPECIAL = "things that are no files"


class Found(NamedTuple):
    """A file by its name below the source; `state` differs when the file does. `odd` says why it is never read."""

    name: str
    state: tuple[int | str, ...]
    odd: str | None = None


@dataclass
class Listing:
    """What a source holds: tables and marks of saved data sets by name, pictures and the rest by number.

    `digest` changes when any file that was listed does.
    """

    names: list[str] = field(default_factory=list)
    pictures: int = 0
    first_picture: str = ""
    left_out: Counter[str] = field(default_factory=Counter)
    digest: str = ""


def ending(name: str) -> str:
    """The last ending in small letters, `.tar.gz` whole; "" where there is none."""
    lower = name.lower()
    return ".tar.gz" if lower.endswith(".tar.gz") else os.path.splitext(lower)[1]


def is_picture(name: str) -> bool:
    return ending(name) in PICTURES


def hidden(name: str) -> bool:
    """Whether a path is one that file managers do not show: dot files, and what macOS packs beside the real ones."""
    return any(part.startswith(".") or part == "__MACOSX" for part in name.removeprefix("./").split("/"))


def listed(found: Iterable[Found], skip_hidden: bool) -> Listing:
    """Sort files by what they are."""
    listing, digest = Listing(), hashlib.sha256()
    for name, state, odd in found:
        # A name on disk may be no UTF-8, which JSON cannot hold.
        digest.update(canonical.dumps([ascii(name), *state]))
        if odd is not None or (skip_hidden and hidden(name)):
            listing.left_out[odd or HIDDEN] += 1
        elif ending(name) in FORMATS or name.rpartition("/")[2] in SAVED:
            listing.names.append(name)
        elif is_picture(name):
            listing.pictures += 1
            listing.first_picture = listing.first_picture or name
        else:
            listing.left_out[f"files *{ending(name)}" if ending(name) else "files without an ending"] += 1
    listing.digest = digest.hexdigest()
    return listing


def stored(store: Store, base: str, prefix: str = "") -> Iterator[Found]:
    """Objects of a store below `base` whose names begin with `prefix`."""
    start = len(store.root) + 1 + len(base)
    for one in store.list(base + prefix):
        yield Found(one.uri[start:], (one.size, one.etag))


def walked(top: Path) -> Iterator[Found]:
    """Files below a local folder in S3's order. Raises PromptSetError for a folder that may not be read.

    Links to folders are not followed, so no loop of them matters. A link to a file that is not there is listed too.
    """
    waiting = [iter(_names(top, ""))]
    while waiting:
        name = next(waiting[-1], None)
        if name is None:
            waiting.pop()
        elif name.endswith("/"):
            waiting.append(iter(_names(top, name)))
        else:
            yield _found(top, name)


def _names(top: Path, folder: str) -> list[str]:
    """What is in a folder, sorted as S3 sorts: a folder as its name with a slash behind it."""
    try:
        with os.scandir(top / folder) as entries:
            return sorted(folder + e.name + ("/" if e.is_dir(follow_symlinks=False) else "") for e in entries)
    except OSError as error:
        raise PromptSetError(
            f"the folder {top / folder} of the source cannot be read: {error.strerror}; allow it, or import another folder."
        ) from error


def _found(top: Path, name: str) -> Found:
    path, odd = os.path.join(top, name), None
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            odd = LINKED if stat.S_ISDIR(found.st_mode) else SPECIAL
    except OSError:  # a link to nothing, or to itself: its row will say so
        found = os.lstat(path)
    return Found(name, (found.st_size, found.st_mtime_ns, found.st_ctime_ns), odd)


def named(top: Path, names: Iterable[str]) -> Iterator[Found]:
    """Files of a local folder by their names, those that are not there left out."""
    return (_found(top, name) for name in names if os.path.lexists(os.path.join(top, name)))
