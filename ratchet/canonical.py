"""One way to write JSON and one way to hash it, so that digests agree everywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

ROW_MODULUS = 1 << 256


def dumps(value: Any) -> bytes:
    """Canonical JSON: sorted keys, UTF-8, no blanks, shortest floats. NaN and infinity become null."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def pretty(value: Any) -> bytes:
    """The same, indented: for the JSON that people open."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def digest(value: Any) -> str:
    """SHA-256 (hex) of the canonical JSON."""
    return hashlib.sha256(dumps(value)).hexdigest()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def rows_hash(rows: Iterable[Mapping[str, Any]]) -> int:
    """Hash of a multiset of rows: the sum of their SHA-256 modulo 2^256.

    Independent of order and of sharding, so shards can be written in any order and on any host, and their hashes add up
    (Bellare and Micciancio 1997, AdHash). It guards against accidents, not against an adversary who picks rows.
    """
    total = 0
    for row in rows:
        total += int.from_bytes(hashlib.sha256(dumps(row)).digest(), "big")
    return total % ROW_MODULUS


def add_hashes(hashes: Iterable[str]) -> str:
    """Sum of row hashes given as hex, as 64 hex digits."""
    return f"{sum(int(h, 16) for h in hashes) % ROW_MODULUS:064x}"


def loads(data: bytes) -> Any:
    """Parse JSON; raises ValueError."""
    return orjson.loads(data)
