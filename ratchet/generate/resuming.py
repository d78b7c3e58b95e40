"""Work in shards that an earlier try may have finished."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from ratchet.artifacts import ArtifactWriter, read_shard
from ratchet.errors import ShardUnreadable
from ratchet.records import Record

R = TypeVar("R", bound=Record)
T = TypeVar("T")


def chunks(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` rows, the last one shorter."""
    part: list[T] = []
    for row in rows:
        part.append(row)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


def read_back(writer: ArtifactWriter[R], index: int) -> list[R]:
    """The rows of a finished shard. Raises ShardUnreadable or DigestMismatch."""
    shard = writer.finished(index)
    if shard is None:
        where = writer.store.uri(writer.prefix)
        raise ShardUnreadable(f"shard {index} of {where} is gone while the stage ran; run the stage again.")
    return writer.schema.rows(read_shard(writer.store, f"{writer.prefix}/{shard.name}", shard))
