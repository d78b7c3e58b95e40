"""Small files in the formats in which benchmarks are published, and answers to their questions, marked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ratchet.evaluate.suites import Asked, Mark, Marked, Question, SuiteFigures, open_folder, suite
from tests.tiny import png

Answers = Mapping[str, str] | Callable[[Question], str]


def encoded(colour: str = "red") -> dict[str, Any]:
    """A picture as the Hugging Face data sets hold it."""
    return {"bytes": png(colour), "path": None}


def parquet(folder: Path, name: str, rows: Sequence[Mapping[str, Any]]) -> Path:
    """A Parquet file of a Hugging Face data set; the folder is returned."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)
    return folder


def written(folder: Path, files: Mapping[str, Any]) -> Path:
    """Files by name: bytes and text as they are, everything else as JSON; the folder is returned."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def pictures(*names: str) -> dict[str, bytes]:
    """A small picture under each name."""
    return {name: png() for name in names}


def questions(name: str, folder: Path, *parts: str) -> list[Question]:
    """What a suite asks of a folder."""
    load = suite(name).load
    assert load is not None
    return list(load(open_folder(str(folder)), parts))


def asked_of(question: Question) -> Asked:
    return Asked(question.key, question.category, question.reference, question.facts, question.text)


def marked_as(question: Question, mark: Mark) -> Marked:
    """A question with a mark, as metrics read it."""
    cluster = question.cluster or question.key
    return Marked(question.key, question.category, question.unit, cluster, question.reference, question.facts, mark)


def mark_of(name: str, question: Question, answer: str) -> Mark:
    """The suite's mark of one answer."""
    mark = suite(name).mark
    assert mark is not None
    return mark(asked_of(question), answer)


def marked(name: str, asked: Sequence[Question], answers: Answers) -> list[Marked]:
    """All questions with the marks of their answers, which are found by key or made."""
    said = answers if callable(answers) else lambda question: answers[question.key]
    return [marked_as(question, mark_of(name, question, said(question))) for question in asked]


def figures(name: str, asked: Sequence[Question], answers: Answers) -> SuiteFigures:
    """The suite's metrics of these answers."""
    return suite(name).metrics(marked(name, asked, answers))


def asked(key: str, reference: str | None, category: str = "", unit: str | None = None, **facts: Any) -> Question:
    """A question without a file."""
    return Question(key, "?", (png(),), reference, category, unit=unit, facts=facts)
