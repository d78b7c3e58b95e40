"""What is wrong with a data set of pairs or verdicts, found before training, with numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ratchet.errors import TrainError
from ratchet.train.preference.rows import check_labels

if TYPE_CHECKING:
    from datasets import Dataset


def check_preference(rows: Dataset, texts: Sequence[str]) -> None:
    """Check the columns that only preference learning has. `texts` names the method's columns of messages.

    Raises TrainError for pairs whose sides are the same, a bad picture that is the good one, and labels that are all alike.
    """
    if "chosen" in texts:
        _check_sides(rows)
    if "bad_images" in rows.column_names:
        good = _bytes(rows, "images", range(len(rows)))
        same = [n for n, bad in enumerate(_bytes(rows, "bad_images", range(len(rows)))) if bad and bad == good[n]]
        if same:
            raise TrainError(
                f"{len(same)} of {len(rows)} rows have a bad picture that is their good one (first: row {same[0]}); "
                "use another kind of negative, or set train.pictures.bad."
            )
    if "label" in rows.column_names:
        check_labels(rows["label"])


def _check_sides(rows: Dataset) -> None:
    table = rows.select_columns(["chosen", "rejected"]).with_format("arrow")[:]
    alike = [n for n, (one, other) in enumerate(zip(*map(_listed, table.columns), strict=True)) if one == other]
    if alike and "rejected_images" in rows.column_names:
        good, bad = _bytes(rows, "images", alike), _bytes(rows, "rejected_images", alike)
        alike = [n for n, one, other in zip(alike, good, bad, strict=True) if one == other]
    if alike:
        raise TrainError(
            f"{len(alike)} of {len(rows)} pairs have the same text on both sides (first: row {alike[0]}); "
            "there is nothing to prefer. Drop them in filter.pairs."
        )


def _listed(column: Any) -> list[Any]:
    listed: list[Any] = column.to_pylist()
    return listed


def _bytes(rows: Dataset, name: str, numbers: Sequence[int]) -> list[list[int]]:
    """A hash of each picture's bytes, of these rows."""
    found: list[list[int]] = []
    for start in range(0, len(numbers), 256):
        part = rows.select(numbers[start : start + 256]).select_columns([name]).with_format("arrow")[:]
        found += [[hash(one["bytes"]) for one in some or ()] for some in part.column(0).to_pylist()]
    return found
