"""Rows in the published format of each suite of multiple choice and maths, as lmms-eval and VLMEvalKit read them, and their files."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ratchet.evaluate.suites import Asked, Marked, Question, SuiteFigures, open_folder, suite
from tests.tiny import png

HF = {"bytes": png(), "path": None}
BASE64 = base64.b64encode(png() + bytes(200)).decode()
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Sample:
    """A file of a suite. `answer` is the column of the reference, `needed` one without which no row can be read."""

    suite: str
    file: str
    rows: Rows
    text: str
    reference: str
    category: str
    answer: str = "answer"
    needed: str = "question"
    key: str | None = None
    wrong: object = "Z"
    """A reference that is none of the options; None where references are free."""
    pictures: int = 1
    files: Mapping[str, bytes] = field(default_factory=dict)
    wrap: Callable[[list[Any]], Any] = list

    def write(self, folder: Path, rows: Rows | None = None) -> Path:
        path = folder / self.file
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = self.rows if rows is None else rows
        for name, held in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(held)
        match path.suffix:
            case ".parquet":
                pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)
            case ".json":
                path.write_text(json.dumps(self.wrap(list(rows))))
            case ".jsonl":
                path.write_text("".join(json.dumps(row) + "\n" for row in rows))
            case suffix:
                with path.open("w", newline="") as file:
                    columns = list(dict.fromkeys(name for row in rows for name in row))
                    writer = csv.DictWriter(file, columns, delimiter="\t" if suffix == ".tsv" else ",")
                    writer.writeheader()
                    writer.writerows(rows)
        return folder

    def changed(self, **values: object) -> list[dict[str, Any]]:
        """The rows, the first with other values."""
        return [{**self.rows[0], **values}, *(dict(row) for row in self.rows[1:])]


def loaded(name: str, folder: Path, *parts: str) -> list[Question]:
    return list(suite(name).load(open_folder(str(folder)), parts))


def answered(name: str, questions: Sequence[Question], said: Callable[[Question], str]) -> list[Marked]:
    """The questions with what a model said to them, marked."""
    mark = suite(name).mark
    assert mark is not None
    return [
        Marked(
            q.key, q.category, q.unit, q.cluster or "", q.reference, q.facts,
            mark(Asked(q.key, q.category, q.reference, q.facts, q.text), said(q)),
        )
        for q in questions
    ]  # fmt: skip


def figures(name: str, questions: Sequence[Question], said: Callable[[Question], str]) -> SuiteFigures:
    return suite(name).metrics(answered(name, questions, said))


DIRECT = "\nAnswer with the option's letter from the given choices directly."
TSV = {"index": 1, "question": "Which colour?", "A": "red", "B": "blue", "C": "", "D": "", "answer": "B", "category": "colour",
       "l2-category": "attributes", "image": BASE64}  # fmt: skip
ASKED = f"Which colour?\nA. red\nB. blue{DIRECT}"
MMSTAR = {"index": 0, "question": "Which colour?\nOptions: A: red, B: blue, C: green, D: grey", "image": HF, "answer": "B",
          "category": "coarse perception", "l2_category": "image emotion", "meta_info": {"source": "MMBench"}}  # fmt: skip
SEED = {"answer": "B", "choice_a": "One", "choice_b": "Two", "choice_c": "Three", "choice_d": "Four", "data_id": "1_2",
        "data_type": "image", "question": "How many towels?", "question_id": "101669", "question_type_id": 5}  # fmt: skip
SEED_TEXT = f"How many towels?\nA. One\nB. Two\nC. Three\nD. Four{DIRECT}"
SCIENCEQA = {"image": HF, "question": "Which is soft?", "choices": ["rock", "wool"], "answer": 1, "hint": "Look.", "task": "closed choice",
             "grade": "grade2", "subject": "natural science", "topic": "physics", "category": "Materials", "skill": "s",
             "lecture": "", "solution": ""}  # fmt: skip
MMBENCH = {**TSV, "hint": "nan", "L2-category": "attribute_reasoning", "source": "s", "comment": "nan", "split": "dev"}

SAMPLES = {
    "mmstar": Sample("mmstar", "mmstar.parquet", [MMSTAR], MMSTAR["question"] + DIRECT, "B", "coarse perception", key="index"),
    "mmstar-tsv": Sample("mmstar", "MMStar.tsv", [TSV], ASKED, "B", "colour", key="index"),
    "seed": Sample("seed", "data/test-0.parquet", [{**SEED, "image": [HF]}], SEED_TEXT, "B", "Instances Counting", key="question_id"),
    "seed-tsv": Sample("seed", "SEEDBench_IMG.tsv", [TSV], ASKED, "B", "colour", key="index"),
    "seed-json": Sample("seed", "SEED-Bench.json", [SEED], SEED_TEXT, "B", "Instances Counting", key="question_id",
                        files={"SEED-Bench-image/1_2": png()}, wrap=lambda rows: {"questions": rows, "question_type": {}}),
    "scienceqa": Sample("scienceqa", "ScienceQA-IMG/test-0.parquet", [SCIENCEQA],
                        f"Context: Look.\nWhich is soft?\nA. rock\nB. wool{DIRECT}", "B", "NAT", wrong=2),
    "scienceqa-tsv": Sample("scienceqa", "ScienceQA_TEST.tsv", [TSV], ASKED, "B", "colour", key="index"),
    "ai2d": Sample("ai2d", "data/test-0.parquet", [{"question": "Which colour?", "options": ["red", "blue"], "answer": "1", "image": HF}],
                   ASKED, "B", "diagrams", wrong="2"),
    "ai2d-tsv": Sample("ai2d", "AI2D_TEST.tsv", [TSV], ASKED, "B", "colour", key="index"),
    "realworldqa": Sample(
        "realworldqa", "data/test-0.parquet",
        [{"image_path": "0.webp", "image": HF, "answer": "B",
          "question": "Where?\n\nA. Left.\nB. Right.\nPlease answer directly with only the letter."}],
        "Where?\n\nA. Left.\nB. Right.\nPlease answer directly with only the letter.", "B", "choice"),
    "mmbench": Sample("mmbench", "en/dev-0.parquet", [{**MMBENCH, "image": HF}], ASKED, "B", "colour", key="index"),
    "mmbench-tsv": Sample("mmbench", "MMBench_DEV_EN.tsv", [MMBENCH], ASKED, "B", "colour", key="index"),
}  # fmt: skip
