"""Which column holds which field: named by the user, or found by a usual name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

FIELDS: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "question_id", "qid", "uid", "sample_id"),
    "images": (
        "images",
        "image",
        "file_name",
        "image_path",
        "image_file",
        "img",
        "picture",
        "pictures",
        "jpg",
        "jpeg",
        "png",
        "webp",
    ),
    "question": ("question", "query", "prompt", "instruction", "problem", "input"),
    "messages": ("messages", "conversations", "conversation"),
    "reference": (
        "reference",
        "answer",
        "answers",
        "solution",
        "ground_truth",
        "label",
        "target",
        "output",
        "response",
    ),
    "choices": ("choices", "options"),
    "skill": ("skill", "category", "question_type", "task"),
    "difficulty": ("difficulty",),
    "verifiers": ("verifiers", "verifier"),
    "source": ("source", "dataset", "dataset_name"),
    "licence": ("licence", "license"),
    "environment": ("environment",),
    "split_key": ("split_key",),
}
"""Fields of a row and the column names that are taken for them, the first found winning; case does not matter."""

PICTURE_FIELDS = ("id", "images", "source", "licence")
"""What is read of a row that is imported for its picture alone; its id is only told in messages."""

_NUMBERED = re.compile(r"(?:image|img|picture)_?(\d+)", re.IGNORECASE)


class ColumnMap:
    """Finds the fields' columns for each set of column names, once, and remembers all that it met."""

    def __init__(self, named: Mapping[str, str], others: Iterable[str], fields: Iterable[str] = FIELDS) -> None:
        self._named = dict(named)
        self._others = set(others)
        self._fields = {field: FIELDS[field] for field in fields}
        self._cache: dict[tuple[str, ...], dict[str, tuple[str, ...]]] = {}

    def of(self, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Field -> its columns: one each, but pictures may be in several (image_1, image_2, ...)."""
        key = tuple(names)
        if key not in self._cache:
            self._cache[key] = self._find(key)
        return self._cache[key]

    def used(self) -> dict[str, str]:
        """Field -> the columns it was read from, over all rows."""
        used: dict[str, dict[str, None]] = {}
        for found in self._cache.values():
            for field, columns in found.items():
                used.setdefault(field, {}).update(dict.fromkeys(columns))
        return {field: ", ".join(used[field]) for field in FIELDS if field in used}

    def unused(self) -> tuple[str, ...]:
        """Columns that no field was read from."""
        met = {name for names in self._cache for name in names}
        read = {column for found in self._cache.values() for columns in found.values() for column in columns}
        return tuple(sorted(met - read - self._others))

    def missing(self) -> tuple[str, ...]:
        """Columns that the user named and no row has."""
        met = {name for names in self._cache for name in names}
        return tuple(sorted({*self._named.values(), *self._others} - met))

    def _find(self, names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        lower = {name.lower(): name for name in reversed(names)}
        found: dict[str, tuple[str, ...]] = {}
        for field, usual in self._fields.items():
            if field in self._named:
                if self._named[field] in names:
                    found[field] = (self._named[field],)
                continue
            column = next((lower[u] for u in usual if u in lower and lower[u] not in self._named.values()), None)
            if column is not None:
                found[field] = (column,)
        if "images" not in found and "images" not in self._named:
            numbered = sorted((int(m[1]), n) for n in names if (m := _NUMBERED.fullmatch(n)))
            if numbered:
                found["images"] = tuple(n for _, n in numbered)
        return found
