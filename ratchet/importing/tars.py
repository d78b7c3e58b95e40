"""WebDataset shards: tar archives read as streams, one row for each sample, which is the files of one key in succession.

A file's key is its path up to the first dot of its name; the rest is what the file is: 000123.jpg, 000123.json and
000123.cls are one sample. Its pictures become the column `images`, the fields of its JSON columns, its texts one each.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, BinaryIO, cast

import orjson

from ratchet.errors import PromptSetError
from ratchet.importing.listing import hidden, is_picture
from ratchet.importing.options import RowRefused
from ratchet.importing.pictures import FILE_BYTES
from ratchet.importing.tables import RawRow, Table

READ_AHEAD = 4 << 20
TEXT_BYTES = 16 << 20
HEADER_BYTES = 1 << 20
SAMPLE_PICTURES = 32
TEXTS = ("txt", "text", "caption", "cls")
_EXTENDED = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


class _Header(tarfile.TarInfo):
    """A header that says when it is cut or broken. tarfile alone takes one that is for the archive's end, in silence."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        if len(buf) < tarfile.BLOCKSIZE:
            raise tarfile.ReadError("it ends without the empty block that closes an archive, so it was cut")
        try:
            found = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if any(buf):
                raise tarfile.ReadError(f"{error} where the next file should begin") from error
            raise
        if found.size < 0 or (found.type in _EXTENDED and found.size > HEADER_BYTES):
            raise tarfile.ReadError(f"a header says that it has {found.size} bytes")
        return found


@dataclass
class _Passed:
    """Hidden files that were passed over since the last sample."""

    hidden: int = 0

    def taken(self) -> int:
        taken, self.hidden = self.hidden, 0
        return taken


def tar_rows(table: Table, file: BinaryIO) -> Iterator[RawRow]:
    """Samples in order. Raises PromptSetError for an archive that is cut or broken; an empty one is one bad row."""
    number, passed = 0, _Passed()
    try:
        with (
            # Few requests where the store is S3.
            io.BufferedReader(cast(io.RawIOBase, file), READ_AHEAD) as ahead,
            tarfile.open(fileobj=ahead, mode="r|*", tarinfo=_Header) as tar,
        ):
            for number, (key, members) in enumerate(groupby(_members(tar, passed), key_of), 1):
                yield _sample(table, number, key, _read_all(tar, members), passed)
            _check_end(tar)
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError) as error:
        raise PromptSetError(
            f"{table.name} cannot be read as a tar archive after sample {number}: {error}. Copy or make it again."
        ) from error
    if number == 0:
        yield RawRow(table, 1, {}, ("empty_archive", "the archive holds no file."), hidden=passed.taken())


def key_of(member: tarfile.TarInfo) -> str:
    """What the files of one sample share."""
    folder, _, name = member.name.removeprefix("./").rpartition("/")
    return f"{folder}/{name.partition('.')[0]}".removeprefix("/")


def _members(tar: tarfile.TarFile, passed: _Passed) -> Iterator[tarfile.TarInfo]:
    while (member := tar.next()) is not None:
        vars(tar)["members"].clear()  # tarfile would keep them all
        if member.isdir():
            continue
        if hidden(member.name):
            passed.hidden += 1
        else:
            yield member


def _check_end(tar: tarfile.TarFile) -> None:
    """Raise where more follows the end: archives joined by `cat`, of which tarfile shows the first only."""
    stream = cast(BinaryIO, tar.fileobj)
    while block := stream.read(1 << 16):
        if any(block):
            raise tarfile.ReadError("more follows its end, as in archives that were joined; give them apart")


@dataclass
class _Member:
    """A file of a sample: its name, what it is, and its content or why there is none."""

    name: str
    kind: str
    data: bytes | None
    problem: RowRefused | None = None


def _read_all(tar: tarfile.TarFile, members: Iterable[tarfile.TarInfo]) -> Iterator[_Member]:
    """Contents of a sample's pictures, JSON and texts; of other files only that they are there."""
    pictures, room = 0, FILE_BYTES
    for member in members:
        kind = member.name.rpartition("/")[2].partition(".")[2].lower()
        picture = is_picture(member.name)
        if not picture and kind not in (*TEXTS, "json"):
            yield _Member(member.name, kind, None)
            continue
        pictures += picture
        room -= member.size
        problem = _problem(member, pictures if picture else 0, room, picture)
        yield _Member(member.name, kind, None if problem else _content(tar, member), problem)


def _problem(member: tarfile.TarInfo, pictures: int, room: int, picture: bool) -> RowRefused | None:
    if not member.isreg():
        return RowRefused(
            "link_in_archive", f"{member.name} is a link or no file; make the archive with copies of files."
        )
    if pictures > SAMPLE_PICTURES:
        return RowRefused(
            "too_many_pictures",
            f"more than {SAMPLE_PICTURES} pictures are one sample, as their names are the same up to the first dot "
            f"({member.name}); name them apart.",
        )
    if picture and room < 0:
        return RowRefused("giant_picture", f"{member.name} and what comes with it have more than {FILE_BYTES} bytes.")
    if not picture and member.size > TEXT_BYTES:
        return RowRefused("giant_text", f"{member.name} has {member.size} bytes; the limit is {TEXT_BYTES}.")
    return None


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return b"" if file is None else file.read()


def _sample(table: Table, number: int, key: str, members: Iterable[_Member], passed: _Passed) -> RawRow:
    pictures: list[dict[str, Any]] = []
    values: dict[str, Any] = {}
    problem: RowRefused | None = None
    kinds = []
    for member in members:
        kinds.append(member.kind)
        problem = problem or member.problem
        if problem is not None:
            pictures.clear()  # nothing of the sample will be used
        elif is_picture(member.name):
            pictures.append({"path": member.name, "bytes": member.data})
        else:
            try:
                values.update(_columns(member))
            except RowRefused as refusal:
                problem = refusal
    if problem is None and not pictures:
        problem = RowRefused("no_picture", _no_picture(key, kinds))
    values["images"] = sorted(pictures, key=lambda picture: str(picture["path"]))
    told = None if problem is None else (problem.reason, problem.detail)
    return RawRow(table, number, values, told, name=key, hidden=passed.taken())


def _columns(member: _Member) -> dict[str, Any]:
    """The columns that a file gives which is no picture. Raises RowRefused for text or JSON that is none."""
    if member.data is None:
        return {member.kind: None}
    if member.kind != "json":
        try:
            return {member.kind: member.data.decode()}
        except UnicodeDecodeError as error:
            raise RowRefused("not_utf8", f"{member.name} is not UTF-8; convert it.") from error
    try:
        value = orjson.loads(member.data)
    except orjson.JSONDecodeError as error:
        raise RowRefused("malformed_json", f"{member.name} is not JSON: {error}.") from error
    return value if isinstance(value, dict) else {member.kind: value}


def _no_picture(key: str, kinds: list[str]) -> str:
    shown = ", ".join(kinds[:6])
    return (
        f"the sample {key!r} has {shown} and no picture. Files of one sample must have one name up to the first dot and "
        "follow one another in the archive; make it with `tar --sort=name`."
    )
