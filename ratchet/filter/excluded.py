"""The exclusion set: every dropped group with its reason, in the folder `excluded` beside what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from ratchet.artifacts import Artifact, Manifest, RowSchema
from ratchet.filter.decisions import Decisions
from ratchet.records import Record
from ratchet.store import Store

EXCLUDED_FOLDER = "excluded"


class Excluded(Record):
    """A dropped group: enough to know what it was, and to find it in the artifact of verify."""

    prompt_id: str
    skill: str
    difficulty: float | None
    source: str
    question: str
    images: tuple[str, ...]
    pass_rate: float | None
    reason: str


EXCLUDED = RowSchema("excluded", 1, Excluded)


def excluded_prefix(prefix: str) -> str:
    """Where the dropped groups of the filter artifact at `prefix` are."""
    return f"{prefix}/{EXCLUDED_FOLDER}"


def excluded_rows(table: pa.Table, dropped: Any, decisions: Decisions, start: int) -> list[Excluded]:
    """The rows of `table` where `dropped`, which are the rows of `decisions` from `start` on."""
    numbers = np.flatnonzero(dropped)
    prompts = table.column("prompt").take(pa.array(numbers)).to_pylist() if numbers.size else []
    return [
        Excluded(
            prompt_id=prompt["id"],
            skill=prompt["skill"],
            difficulty=prompt["difficulty"],
            source=prompt["source"],
            question=next((m["content"] for m in reversed(prompt["messages"]) if m["role"] == "user"), ""),
            images=tuple(image["sha256"] for image in prompt["images"]),
            pass_rate=decisions.pass_rate(start + number),
            reason=decisions.reason(start + number),
        )
        for number, prompt in zip(numbers.tolist(), prompts, strict=True)
    ]


def read_excluded(store: Store, filtered: Manifest, reason: str | None = None) -> Iterator[Excluded]:
    """The groups that the filter artifact `filtered` leaves out, in the order of the rows; of one reason only, if named."""
    rows = Artifact(store, excluded_prefix(store.key(filtered.uri)), EXCLUDED).rows()
    return (row for row in rows if reason is None or row.reason == reason)
