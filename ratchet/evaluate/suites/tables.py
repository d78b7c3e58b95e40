"""Loaders that turn each row of a benchmark's tables into one question, with VLMEvalKit's short cuts for pictures undone.

In VLMEvalKit's TSV files (columns index, question, hint, A..D, answer, category, l2-category, image) a row's picture is base64,
a list of base64 in Python's notation, or the index of the row that has it (vlmeval/dataset/image_base.py, ImageBaseDataset).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

from ratchet.evaluate.suites.base import Question
from ratchet.evaluate.suites.folder import Folder, Row

INDEX = 64
"""A text of at most so many characters is an index, no picture."""

Read = Callable[[Row], Question | None]
Load = Callable[[Folder, tuple[str, ...]], Iterator[Question]]


def rows(folder: Folder, *patterns: str, without: str = "") -> Iterator[Row]:
    """Rows of the files of the first pattern that matches any, their pictures resolved; `without` files of that pattern."""
    for name in folder.find(*patterns):
        if without and fnmatchcase(name.rpartition("/")[2], without):
            continue
        yield from (_resolved(folder, name) if name.lower().endswith(".tsv") else folder.rows(name))


def loader(
    read: Read,
    *patterns: str,
    part: Callable[[Question], str] | None = None,
    without: str = "",
    default: tuple[str, ...] = (),
) -> Load:
    """A suite's `load`: `read` makes a question of a row, or None of a row that is not asked. `default`: the parts that are
    published, where a recipe chooses none."""

    def load(folder: Folder, parts: tuple[str, ...]) -> Iterator[Question]:
        return unique(rows(folder, *patterns, without=without), lambda row: _chosen(read(row), part, parts or default))

    return load


def _chosen(
    question: Question | None, part: Callable[[Question], str] | None, parts: tuple[str, ...]
) -> list[Question]:
    if question is None or (parts and part is not None and part(question) not in parts):
        return []
    return [question]


def unique(found: Iterator[Row], read: Callable[[Row], list[Question]]) -> Iterator[Question]:
    """All questions of all rows. Raises FileProblem where a key comes twice."""
    seen: dict[str, str] = {}
    for row in found:
        for question in read(row):
            if (where := seen.get(question.key)) is not None:
                raise row.problem(f"its key {question.key!r} is that of {where} already, and keys must be unique")
            seen[question.key] = f"{row.name}, row {row.number}"
            yield question


def numbered(row: Row) -> str:
    """A key for rows of benchmarks that give them none: the file and the row's number."""
    return f"{row.name.rpartition('/')[2]}:{row.number}"


def _resolved(folder: Folder, name: str) -> Iterator[Row]:
    """Rows of one TSV file. Of its pictures only those that other rows name are kept in memory."""
    named = {image for row in folder.rows(name) if 0 < len(image := _text(row, "image")) <= INDEX}
    kept: dict[str, str] = {}
    for row in folder.rows(name):
        image, index = _text(row, "image"), _text(row, "index")
        if 0 < len(image) <= INDEX:
            if image not in kept:
                raise row.problem(f"image is {image!r}, and no row above has that index and a picture")
            image = kept[image]
        elif index in named:
            kept[index] = image
        yield row if not image else replace(row, values={**row.values, "image": _pictures(row, image)})


def _pictures(row: Row, image: str) -> str | list[str]:
    if not image.startswith("["):
        return image
    try:
        found = ast.literal_eval(image)
    except (ValueError, SyntaxError) as error:
        raise row.problem("image begins like a list of pictures and is none") from error
    return [str(one) for one in found]


def _text(row: Row, field: str) -> str:
    return str(row.get(field, "")).strip()
