"""Pictures that a benchmark's rows name: they may lie in any folder below the benchmark's, as archives unpack differently."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ratchet.evaluate.suites.folder import Folder, Row

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True, slots=True)
class Pictures:
    """The picture files of a folder, listed once. `under` has their keys by file name, in lower case."""

    folder: Folder
    under: Mapping[str, Sequence[str]]

    def __contains__(self, name: str) -> bool:
        return bool(self._keys(name))

    def of(self, row: Row, *fields: str) -> bytes:
        """The picture of the first of these fields that the row has: encoded in it, or a file that it names.

        Raises FileProblem where no file has that name, or several have.
        """
        found = row.value(*fields)
        return self.named(row, found) if isinstance(found, str) and _is_name(found) else row.picture(*fields)

    def named(self, row: Row, name: str) -> bytes:
        """The picture file of that name, or of that path if several have the name."""
        keys = self._keys(name)
        if not keys:
            raise row.problem(f"the folder has no picture {name}; unpack the benchmark's pictures into it")
        if len(keys) > 1:
            raise row.problem(f"the folder has {len(keys)} pictures {name}: {', '.join(keys[:3])}; keep one of them")
        return self.folder.bytes(keys[0])

    def _keys(self, name: str) -> Sequence[str]:
        path = PurePosixPath(name)
        every = self.under.get(path.name.lower(), ())
        if len(every) < 2:
            return every
        inner = f"/{path}".lower()
        return [key for key in every if f"/{key}".lower().endswith(inner)]


def pictures_in(folder: Folder) -> Pictures:
    """All pictures of a folder."""
    under: dict[str, list[str]] = defaultdict(list)
    for key in folder.names():
        if _is_name(key):
            under[PurePosixPath(key).name.lower()].append(key)
    return Pictures(folder, under)


def _is_name(text: str) -> bool:
    return len(text) < 1024 and text.lower().endswith(SUFFIXES)
