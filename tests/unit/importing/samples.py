"""Sources to import: small pictures, tables of every kind, and what hostile people put into them."""

from __future__ import annotations

import csv
import io
import json
import random
import struct
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from ratchet.importing import ImportOptions, ImportReport, import_prompts
from ratchet.promptset import SPLIT_NAMES, open_part
from ratchet.records import Prompt
from ratchet.store import FolderStore, Store

Row = Mapping[str, Any]


def png(number: int, size: tuple[int, int] = (8, 6)) -> bytes:
    """A picture of one colour, another for each number."""
    return encoded(Image.new("RGB", size, (number % 256, number // 256 % 256, 7)), "PNG")


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    sink = io.BytesIO()
    image.save(sink, format, **options)
    return sink.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """A PNG whose header promises this size, with next to nothing behind it."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")


def png_bomb(width: int, height: int) -> bytes:
    """A valid PNG of a few hundred kilobytes that unpacks to width * height * 3 bytes."""
    return encoded(Image.new("1", (width, height)), "PNG")


def rows_of(count: int, start: int = 0) -> list[dict[str, Any]]:
    """Questions about pictures of their own, as paths below images/."""
    return [
        {
            "id": f"r{n}",
            "image": f"images/{n}.png",
            "question": f"how many dots in {n}?",
            "answer": str(n),
            "licence": "CC0-1.0",
        }
        for n in range(start, start + count)
    ]


def folder_of(root: Path, rows: Iterable[Row], pictures: Mapping[str, bytes] | None = None) -> Path:
    """A folder with rows.jsonl, and the pictures that `rows_of` names unless others are given."""
    root.mkdir(parents=True, exist_ok=True)
    listed = list(rows)
    if pictures is None:
        pictures = {
            row["image"]: png(int(Path(row["image"]).stem)) for row in listed if isinstance(row.get("image"), str)
        }
    for path, data in pictures.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    (root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in listed))
    return root


def csv_file(path: Path, rows: Iterable[Row]) -> Path:
    listed = list(rows)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(listed[0]))
        writer.writeheader()
        writer.writerows(listed)
    return path


def parquet_file(path: Path, rows: Iterable[Row]) -> Path:
    """A table with the pictures inside, as Hugging Face writes them; `rows_of` paths become bytes."""
    listed = [
        {**row, "image": {"bytes": png(int(Path(row["image"]).stem)), "path": Path(row["image"]).name}} for row in rows
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(listed), path, row_group_size=16)
    return path


def noise(number: int, size: tuple[int, int] = (40, 30)) -> bytes:
    """A picture of a few kilobytes that does not compress, another for each number."""
    return encoded(Image.frombytes("RGB", size, random.Random(number).randbytes(size[0] * size[1] * 3)), "PNG")


def picture_folder(root: Path, pictures: Mapping[str, bytes]) -> Path:
    """A folder of files; their paths may have any depth."""
    for path, data in pictures.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


def tar_file(path: Path, members: Iterable[tuple[str, bytes]], mode: Literal["w", "w:gz"] = "w") -> Path:
    """A WebDataset shard with these files in this order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as tar:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def ids_in(store: Store, report: ImportReport) -> set[str]:
    return {prompt.id for prompts in prompts_in(store, report).values() for prompt in prompts}


def options(**changes: object) -> ImportOptions:
    return ImportOptions.model_validate({"name": "dots", **changes})


def prompts_in(store: Store, report: ImportReport) -> dict[str, list[Prompt]]:
    return {split: list(open_part(store, report.set, split).rows()) for split in SPLIT_NAMES}


def by_question(store: Store, report: ImportReport) -> dict[str, tuple[str, Prompt]]:
    return {p.question: (split, p) for split, prompts in prompts_in(store, report).items() for p in prompts}


def imported(tmp_path: Path, source: Path, **changes: Any) -> tuple[ImportReport, list[dict[str, Any]]]:
    """The report, and the rejects as they were written to a file of their own."""
    rejects = tmp_path / "rejects.jsonl"
    options = ImportOptions.model_validate({"name": "dots", "rejects": rejects, **changes})
    report = import_prompts(str(source), FolderStore(tmp_path / "store"), options)
    return report, [json.loads(line) for line in rejects.read_text().splitlines()]
