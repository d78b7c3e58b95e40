"""Rows to files: Parquet with the pictures inside, or JSON lines beside a folder of pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from ratchet.records import ImageRef

Pictures = Sequence[tuple[ImageRef, bytes]]

ROWS_AT_ONCE = 100
BYTES_AT_ONCE = 64 << 20
FILE_BYTES = 512 << 20
SUFFIXES = {"image/jpeg": "jpg", "image/tiff": "tif"}

_TEXT = {"dtype": "string", "_type": "Value"}
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_TURN = pa.struct([("role", pa.string()), ("content", pa.string())])
_KINDS: Mapping[str, tuple[pa.DataType, dict[str, Any]]] = {
    "text": (pa.string(), _TEXT),
    "number": (pa.float64(), {"dtype": "float64", "_type": "Value"}),
    "texts": (pa.list_(pa.string()), {"feature": _TEXT, "_type": "List"}),
    "numbers": (pa.list_(pa.float64()), {"feature": {"dtype": "float64", "_type": "Value"}, "_type": "List"}),
    "flags": (pa.list_(pa.bool_()), {"feature": {"dtype": "bool", "_type": "Value"}, "_type": "List"}),
    "messages": (pa.list_(_TURN), {"feature": {"role": _TEXT, "content": _TEXT}, "_type": "List"}),
    "images": (pa.list_(_IMAGE), {"feature": {"_type": "Image"}, "_type": "List"}),
}
"""Column kinds: how Arrow stores them, and what the Hugging Face library is told they are."""


def schema_of(columns: Mapping[str, str]) -> pa.Schema:
    """The columns' Arrow schema, with the metadata from which `datasets` knows pictures from bytes."""
    features = {name: _KINDS[kind][1] for name, kind in columns.items()}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema([pa.field(name, _KINDS[kind][0]) for name, kind in columns.items()], metadata=metadata)


class Sink(Protocol):
    """Takes rows; `files` are relative to the export's folder."""

    files: list[str]

    def write(self, row: Mapping[str, Any], pictures: Pictures) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class ParquetSink:
    """Files of at most about FILE_BYTES under data/, a new row group every ROWS_AT_ONCE rows."""

    def __init__(self, folder: Path, columns: Mapping[str, str]) -> None:
        self.files: list[str] = []
        self._folder = folder
        self._schema = schema_of(columns)
        self._writer: pq.ParquetWriter | None = None
        self._rows: list[dict[str, Any]] = []
        self._waiting = 0
        self._written = 0

    def write(self, row: Mapping[str, Any], pictures: Pictures) -> None:
        images = [{"bytes": data, "path": None} for _, data in pictures]
        self._rows.append({**row, "images": images})
        self._waiting += sum(len(data) for _, data in pictures)
        if len(self._rows) >= ROWS_AT_ONCE or self._waiting >= BYTES_AT_ONCE:
            self._flush()

    def __enter__(self) -> Self:
        (self._folder / "data").mkdir(parents=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._rows:
            self._flush()
        self._close()

    def _flush(self) -> None:
        if self._writer is None:
            self.files.append(f"data/train-{len(self.files):05d}.parquet")
            self._writer = pq.ParquetWriter(self._folder / self.files[-1], self._schema, compression="zstd")
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._written += self._waiting
        self._rows, self._waiting = [], 0
        if self._written >= FILE_BYTES:
            self._close()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer, self._written = None, 0


class JsonlSink:
    """train.jsonl, and each picture once as images/<hash>.<kind>."""

    def __init__(self, folder: Path, columns: Mapping[str, str]) -> None:
        self.files = ["train.jsonl"]
        self._folder = folder
        self._columns = columns
        self._known: set[str] = set()

    def write(self, row: Mapping[str, Any], pictures: Pictures) -> None:
        images = [self._picture(ref, data) for ref, data in pictures]
        full = {**row, "images": images}
        self._file.write(orjson.dumps({name: full[name] for name in self._columns}) + b"\n")

    def _picture(self, ref: ImageRef, data: bytes) -> str:
        name = f"images/{ref.sha256}.{SUFFIXES.get(ref.media_type, ref.media_type.rpartition('/')[2])}"
        if name not in self._known:
            (self._folder / name).write_bytes(data)
            self._known.add(name)
        return name

    def __enter__(self) -> Self:
        (self._folder / "images").mkdir(parents=True)
        self._file = (self._folder / self.files[0]).open("wb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


SINKS: Mapping[str, Callable[[Path, Mapping[str, str]], Sink]] = {"parquet": ParquetSink, "jsonl": JsonlSink}
