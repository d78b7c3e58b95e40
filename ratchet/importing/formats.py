"""Rows out of tables, one by one, in constant memory. A broken row is yielded with its problem; a broken file raises."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import BinaryIO

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from ratchet.errors import NotFound, PromptSetError
from ratchet.importing.tables import RawRow, Source, Table
from ratchet.importing.tars import tar_rows
from ratchet.store import Store

LINE_BYTES = 64 << 20
BATCH_ROWS = 32


def read_rows(source: Source) -> Iterator[RawRow]:
    """All rows of all tables, in order. Raises PromptSetError for a table that is missing or not what its name says."""
    for table in source.tables:
        if table.format == "picture":  # opened where it is looked at, by several threads at once
            yield RawRow(table, 1, {"file_name": {"path": table.name.rpartition("/")[2]}})
        else:
            yield from _table_rows(table, source.store)


def _table_rows(table: Table, store: Store) -> Iterator[RawRow]:
    try:
        file = store.open(table.key)
    except NotFound as error:
        raise PromptSetError(f"table {table.name} of the source is missing ({error}).") from error
    with file:
        yield from _READERS[table.format](table, file)


def _jsonl(table: Table, file: BinaryIO) -> Iterator[RawRow]:
    number = 0
    while line := file.readline(LINE_BYTES + 1):
        number += 1
        if len(line) > LINE_BYTES:
            while line and not line.endswith(b"\n"):
                line = file.readline(LINE_BYTES)
            yield RawRow(
                table,
                number,
                {},
                ("line_too_long", f"line {number} is longer than {LINE_BYTES} bytes; put pictures into files."),
            )
            continue
        text = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
        if text:
            yield _json_row(table, number, text)


def _json_row(table: Table, number: int, text: bytes) -> RawRow:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        shown = text[:200].decode(errors="replace")
        return RawRow(
            table,
            number,
            {"line": shown},
            ("malformed_json", f"line {number} is not JSON: {error}. One object a line is needed."),
        )
    if not isinstance(value, dict):
        return RawRow(
            table,
            number,
            {"line": value},
            ("wrong_type", f"line {number} holds {type(value).__name__}, not an object."),
        )
    return RawRow(table, number, value)


def _csv(table: Table, file: BinaryIO) -> Iterator[RawRow]:
    delimiter = "\t" if table.format == "tsv" else ","
    with io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        # Strict: an open quote must not swallow the rows after it in silence.
        rows = csv.reader(text, delimiter=delimiter, strict=True)
        try:
            header = next(rows, [])
        except csv.Error as error:
            raise PromptSetError(f"the first line of {table.name} is not a header of columns: {error}.") from error
        if len(set(header)) < len(header):
            shown = ", ".join(header)
            raise PromptSetError(f"{table.name} has two columns of one name in its header ({shown}); rename one.")
        while True:
            try:
                fields = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield RawRow(table, rows.line_num, {}, ("malformed_csv", f"line {rows.line_num}: {error}."))
                continue
            if fields:
                yield _csv_row(table, rows.line_num, header, fields)


def _csv_row(table: Table, number: int, header: list[str], fields: list[str]) -> RawRow:
    values = {name: value or None for name, value in zip(header, fields, strict=False)}
    if len(fields) != len(header):
        detail = (
            f"line {number} has {len(fields)} fields, the header {len(header)}; quote fields that hold a separator."
        )
        return RawRow(table, number, values, ("malformed_csv", detail))
    if any("\ud800" <= c <= "\udfff" for field in fields for c in field):
        return RawRow(table, number, values, ("not_utf8", f"line {number} is not UTF-8; convert the file."))
    return RawRow(table, number, values)


def _parquet(table: Table, file: BinaryIO) -> Iterator[RawRow]:
    yield from _arrow_rows(table, lambda: _parquet_batches(pq.ParquetFile(file)))


def _parquet_batches(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    # Group by group: one call over all of them keeps every group's bytes until its end.
    for group in range(file.num_row_groups):
        yield from file.iter_batches(batch_size=BATCH_ROWS, row_groups=[group])


def _arrow(table: Table, file: BinaryIO) -> Iterator[RawRow]:
    yield from _arrow_rows(table, lambda: iter(pa.ipc.open_stream(file)))


def _arrow_rows(table: Table, opened: Callable[[], Iterator[pa.RecordBatch]]) -> Iterator[RawRow]:
    number = 0
    try:
        for batch in opened():
            for start in range(0, batch.num_rows, BATCH_ROWS):
                for values in batch.slice(start, BATCH_ROWS).to_pylist():
                    number += 1
                    yield RawRow(table, number, values)
    except (pa.ArrowException, OSError) as error:
        raise PromptSetError(
            f"{table.name} cannot be read as {table.format} after row {number}: {error}. Copy or make it again."
        ) from error


_READERS: dict[str, Callable[[Table, BinaryIO], Iterator[RawRow]]] = {
    "jsonl": _jsonl,
    "csv": _csv,
    "tsv": _csv,
    "parquet": _parquet,
    "arrow": _arrow,
    "tar": tar_rows,
}
