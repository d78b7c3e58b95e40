"""The files of a benchmark, in a local folder or under s3://, read row by row with errors that name file, row and rule."""

from __future__ import annotations

import base64
import binascii
import csv
import fnmatch
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ratchet import canonical
from ratchet.errors import NotFound
from ratchet.evaluate.suites.base import FileProblem
from ratchet.store import Store, open_store

READ_ROWS = 256
SHOWN = 8
TABLES = (".parquet", ".jsonl", ".json", ".tsv", ".csv")
csv.field_size_limit(min(sys.maxsize, 1 << 30))  # VLMEvalKit's TSV files hold whole pictures in base64


@dataclass(frozen=True, slots=True)
class Folder:
    """Where a benchmark's files lie. Keys are relative to it and use `/`."""

    store: Store

    def names(self, pattern: str = "*") -> list[str]:
        """Keys that match a shell pattern (`*` crosses folders), sorted."""
        every = (self.store.key(stat.uri) for stat in self.store.list(""))
        return sorted(name for name in every if fnmatch.fnmatchcase(name, pattern))

    def find(self, *patterns: str) -> list[str]:
        """Keys of the first pattern that matches any. Raises FileProblem that says what was looked for and what is there."""
        for pattern in patterns:
            if found := self.names(pattern):
                return found
        there = self.names()
        shown = ", ".join(there[:SHOWN]) + (", ..." if len(there) > SHOWN else "")
        raise FileProblem(
            f"{self.store.root} has no file {' or '.join(patterns)}; there are: {shown or 'no files at all'}. "
            "Put the benchmark's own files there, as it publishes them."
        )

    def bytes(self, name: str) -> bytes:
        """A file, whole. Raises FileProblem where it is missing."""
        try:
            return self.store.get(name)
        except NotFound as error:
            raise FileProblem(f"{self.store.uri(name)} is missing; the benchmark's rows name it.") from error

    def text(self, name: str) -> str:
        """A text file, whole. Raises FileProblem where it is not UTF-8."""
        try:
            return self.bytes(name).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise FileProblem(f"{self.store.uri(name)} is not UTF-8 ({error}); save it as UTF-8.") from error

    def json(self, name: str) -> Any:
        """A JSON file, whole."""
        try:
            return canonical.loads(self.bytes(name))
        except ValueError as error:
            raise FileProblem(f"{self.store.uri(name)} is not JSON ({error}); fetch it again.") from error

    def rows(self, *names: str) -> Iterator[Row]:
        """Rows of tables, one after the other: Parquet, JSON lines, JSON (a list, or an object of columns), TSV or CSV."""
        for name in names:
            for number, values in enumerate(self._read(name), 1):
                yield Row(self, name, number, values)

    def lines(self, *names: str) -> Iterator[Row]:
        """Rows of files of JSON lines, whatever they are called: some benchmarks call them `.json`."""
        for name in names:
            for number, values in enumerate(self._lines(name), 1):
                yield Row(self, name, number, values)

    def listed(self, field: str, *names: str) -> Iterator[Row]:
        """Rows of JSON files that are an object with its rows in a list `field`."""
        for name in names:
            found = self.json(name)
            if not isinstance(found, dict) or not isinstance(found.get(field), list):
                raise FileProblem(f"{self.store.uri(name)} must be an object with its rows in a list `{field}`.")
            for number, values in enumerate(found[field], 1):
                yield self.row(name, number, values)

    def _read(self, name: str) -> Iterator[Mapping[str, Any]]:
        kind = next((kind for kind in TABLES if name.lower().endswith(kind)), None)
        match kind:
            case ".parquet":
                yield from self._parquet(name)
            case ".jsonl":
                yield from self._lines(name)
            case ".json":
                yield from self._json_rows(name)
            case ".tsv" | ".csv":
                yield from self._separated(name, "\t" if kind == ".tsv" else ",")
            case _:
                raise FileProblem(f"{self.store.uri(name)} is not a table; give one of {', '.join(TABLES)}.")

    def _separated(self, name: str, delimiter: str) -> Iterator[Mapping[str, Any]]:
        text = io.TextIOWrapper(io.BytesIO(self.bytes(name)), encoding="utf-8-sig", newline="")
        rows = csv.DictReader(text, delimiter=delimiter)
        try:
            yield from rows
        except (UnicodeDecodeError, csv.Error) as error:
            raise FileProblem(
                f"{self.store.uri(name)}, after line {rows.line_num}: cannot be read as a UTF-8 table ({error}); save it as UTF-8."
            ) from error

    def _parquet(self, name: str) -> Iterator[Mapping[str, Any]]:
        try:
            with self.store.open(name) as opened, pq.ParquetFile(opened) as file:
                for batch in file.iter_batches(READ_ROWS):
                    yield from batch.to_pylist()
        except NotFound as error:
            raise FileProblem(f"{self.store.uri(name)} is missing.") from error
        except (pa.ArrowInvalid, OSError) as error:
            raise FileProblem(
                f"{self.store.uri(name)} is not a whole Parquet file ({error}); fetch it again."
            ) from error

    def _lines(self, name: str) -> Iterator[Mapping[str, Any]]:
        for number, line in enumerate(self.bytes(name).splitlines(), 1):
            if not line.strip():
                continue
            try:
                found = canonical.loads(line)
            except ValueError as error:
                raise FileProblem(f"{self.store.uri(name)}, line {number}: not JSON ({error}).") from error
            yield self._object(name, number, found)

    def _json_rows(self, name: str) -> Iterator[Mapping[str, Any]]:
        found = self.json(name)
        if isinstance(found, list):
            for number, row in enumerate(found, 1):
                yield self._object(name, number, row)
        elif isinstance(found, dict) and found and all(isinstance(column, list) for column in found.values()):
            lengths = {column: len(values) for column, values in found.items()}
            if len(set(lengths.values())) > 1:
                raise FileProblem(f"{self.store.uri(name)}: its columns have different numbers of rows ({lengths}).")
            for values in zip(*found.values(), strict=True):
                yield dict(zip(found, values, strict=True))
        else:
            raise FileProblem(
                f"{self.store.uri(name)} holds neither a list of rows nor columns; it is a {type(found).__name__}."
            )

    def row(self, name: str, number: int, found: Any) -> Row:
        """A row of a file that has rows inside of something else. Raises FileProblem where it is no object."""
        return Row(self, name, number, self._object(name, number, found))

    def _object(self, name: str, number: int, found: Any) -> Mapping[str, Any]:
        if not isinstance(found, dict):
            raise FileProblem(
                f"{self.store.uri(name)}, row {number}: a row is an object, this is a {type(found).__name__}."
            )
        return found


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a benchmark's file. Every reading of it raises FileProblem that names the file, the row and the rule."""

    folder: Folder
    name: str
    number: int
    values: Mapping[str, Any]

    def problem(self, rule: str) -> FileProblem:
        """The error to raise for this row."""
        return FileProblem(f"{self.folder.store.uri(self.name)}, row {self.number}: {rule}.")

    def __contains__(self, field: str) -> bool:
        return self.values.get(field) is not None

    def get(self, field: str, default: Any = None) -> Any:
        """A value as it stands, or the default where it is missing or null."""
        found = self.values.get(field)
        return default if found is None else found

    def value(self, *fields: str) -> Any:
        """The first of these fields that the row has."""
        for field in fields:
            if (found := self.values.get(field)) is not None:
                return found
        has = ", ".join(sorted(str(field) for field in self.values))
        raise self.problem(f"no {' or '.join(fields)}, which the published format has; it has {has}")

    def text(self, *fields: str) -> str:
        """A text or a number, as text without white space around it; never empty."""
        found = self.value(*fields)
        if isinstance(found, bool) or not isinstance(found, (str, int, float)):
            raise self.problem(f"{fields[0]} is a {type(found).__name__}, and must be text")
        if not (text := str(found).strip()):
            raise self.problem(f"{fields[0]} is empty")
        return text

    def choice(self, field: str, allowed: Sequence[str]) -> str:
        """A text that is one of these, in lower case."""
        found = self.text(field).lower()
        if found not in allowed:
            raise self.problem(f"{field} is {found!r}, and must be one of {', '.join(allowed)}")
        return found

    def picture(self, *fields: str, below: str = "") -> bytes:
        """The encoded picture of a field: the Hugging Face struct {bytes, path}, bytes, base64 or a data URI, or a file's name.

        `below` is the folder, relative to the benchmark's, in which named files lie.
        """
        return self._encoded(self.value(*fields), fields[0], below)

    def pictures(self, *fields: str, below: str = "") -> tuple[bytes, ...]:
        """Those of a field that holds a list of pictures."""
        found = self.value(*fields)
        many = found if isinstance(found, list) else [found]
        if not many:
            raise self.problem(f"{fields[0]} is an empty list of pictures")
        return tuple(self._encoded(one, fields[0], below) for one in many)

    def _encoded(self, found: Any, field: str, below: str) -> bytes:
        if isinstance(found, Mapping):
            if found.get("bytes") is not None:
                return self._encoded(found["bytes"], field, below)
            found = found.get("path")
        if isinstance(found, bytes) and found:
            return found
        if isinstance(found, str) and found:
            return self._written(found, field, below)
        raise self.problem(f"{field} holds no picture")

    def _written(self, found: str, field: str, below: str) -> bytes:
        """A data URI, base64 or the name of a file."""
        if found.startswith("data:"):
            found = found.partition(",")[2]
        elif Path(found).suffix.lower() in (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"):
            return self.folder.bytes(f"{below.rstrip('/')}/{found}" if below else found)
        try:
            return base64.b64decode(found, validate=True)
        except (binascii.Error, ValueError) as error:
            raise self.problem(f"{field} is neither base64 nor the name of a picture file") from error


def open_folder(uri: str) -> Folder:
    """The folder at a path or an s3:// address. Raises FileProblem where a local one is missing."""
    if not uri.startswith("s3://") and not Path(uri.removeprefix("file://")).is_dir():
        raise FileProblem(f"{uri} is no folder; give the folder with the benchmark's files, or its s3:// address.")
    return Folder(open_store(uri if "://" in uri else str(Path(uri).resolve())))
