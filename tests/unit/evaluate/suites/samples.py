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
CV_BENCH = {"idx": 0, "type": "2D", "task": "Count", "question": "How many organs?", "choices": ["3", "2"], "answer": "(B)",
            "prompt": "How many organs? Select from the following choices.\n(A) 3\n(B) 2", "filename": "2D/count/ade20k_10.png",
            "source": "ADE20K", "source_dataset": "ADE20K Validation Set"}  # fmt: skip
MMVP = {"Index": 1, "Question": "Are the butterfly's wings open?", "Options": "(a) Open (b) Closed"}
MMVP_TEXT = f"Are the butterfly's wings open?\nA. Open\nB. Closed{DIRECT}"
MMVP_PAIR = [{**MMVP, "Correct Answer": "(b)", "image": HF}, {**MMVP, "Index": 2, "Correct Answer": "(a)", "image": HF}]
THREE_D = {"index": 0, "qid": "VIN6MS3J", "question": "Which is higher?", "A": "dog", "B": "cat", "C": None, "D": None, "answer": "B",
           "category": "height_higher"}  # fmt: skip
BLINK = {"idx": "val_Counting_1", "question": "How many?", "sub_task": "Counting", "image_1": HF, "image_2": HF, "image_3": None,
         "image_4": None, "choices": ["3", "2"], "answer": "(B)", "prompt": "How many in <image>? (A) 3 (B) 2", "explanation": ""}  # fmt: skip
MUIRBENCH = {"idx": "1", "task": "Counting", "image_relation": "Partial Similarity", "image_type": "Photography", "answer": "B",
             "question": "How many more in <image> than in <image>?", "options": ["3", "<image>"], "image_list": [HF, HF, HF],
             "counterpart_idx": "2"}  # fmt: skip
MIRB = {
    "question_id": 7,
    "subset": "food",
    "questions": "Which is spicy?\nA: first B: second",
    "answers": "B",
    "image_list": [HF, HF],
}
MANTIS = {"id": "mantis_1", "question_type": "multi-choice", "question": "<image><image> Which is newer?", "images": [HF, HF],
          "options": ["(A) left", "(B) right"], "answer": "(B)", "data_source": "x", "category": "comparison"}  # fmt: skip
MMMU = {"id": "validation_Accounting_1", "question": "What does <image 2> show of <image 1>?", "options": "['profit', 'loss <image 3>']",
        "explanation": "", "image_1": HF, "image_2": HF, "image_3": HF, "image_4": None, "img_type": "['Tables']", "answer": "B",
        "topic_difficulty": "Easy", "question_type": "multiple-choice", "subfield": "Managerial Accounting"}  # fmt: skip
MATHVISTA = {"pid": "1", "question": "Which?", "image": "images/1.jpg", "decoded_image": HF, "choices": ["larger", "smaller"], "unit": "",
             "precision": None, "answer": "smaller", "question_type": "multi_choice", "answer_type": "text",
             "metadata": {"task": "math word problem", "skills": ["arithmetic reasoning"], "context": "table", "grade": "daily life",
                          "split": "testmini", "source": "TabMWP"},
             "query": "Hint: Give the option letter.\nQuestion: Which?\nChoices:\n(A) larger\n(B) smaller"}  # fmt: skip
MATHVERSE = {"sample_index": "2", "problem_index": "1", "problem_version": "Text Lite", "question": "Find AB.\nChoices:\nA:10\nB:12",
             "answer": "B", "question_type": "multi-choice", "query_wo": "Directly answer.\nQuestion: Find AB.\nChoices:\nA:10\nB:12",
             "query_cot": "", "question_for_eval": "Find AB.\nChoices:\nA:10\nB:12",
             "metadata": {"split": "testmini", "source": "geo", "subject": "Plane Geometry", "subfield": "Length"}}  # fmt: skip
MATHVISION = {"id": "4", "question": "Which piece?\n<image1>", "options": ["A", "B", "C"], "image": "images/4.jpg", "answer": "B",
              "solution": None, "level": 2, "subject": "counting"}  # fmt: skip
BOXED = 'Please solve the problem step by step and put your answer in one "\\boxed{}".\nWhich piece?\n[Image 1]'
WE_MATH = {"ID": "7", "split": "testmini", "knowledge concept": "Perimeter", "question": "How long?", "option": "A. 6; B. 12; C. No correct answer",
           "answer": "B", "key": "2steps_1", "question number": 3, "knowledge concept description": "", "image_path": HF}  # fmt: skip
WE_MATH_ROWS = [WE_MATH, {**WE_MATH, "key": "2steps_2"}, {**WE_MATH, "key": "2steps_multi"}]
WE_MATH_TEXT = (
    "Now, we require you to solve a multiple-choice math question. Please briefly describe your thought process and provide the "
    "final answer(option).\nQuestion: How long?\nOption: A. 6; B. 12; C. No correct answer\nRegarding the format, please answer "
    "following the template below, and be sure to include two <> symbols:\n"
    "<Thought process>: <<your thought process>> <Answer>: <<your option>>"
)

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
    "cv_bench": Sample("cv_bench", "test_2d.parquet", [
        {**CV_BENCH, "image": HF}, {**CV_BENCH, "idx": 1, "source": "COCO", "image": HF}, {**CV_BENCH, "idx": 2, "source": "Omni3D", "image": HF},
    ], CV_BENCH["prompt"] + DIRECT, "B", "Count", key="idx", needed="prompt"),
    "cv_bench-jsonl": Sample("cv_bench", "test_2d.jsonl", [
        CV_BENCH, {**CV_BENCH, "idx": 1, "source": "COCO"}, {**CV_BENCH, "idx": 2, "source": "Omni3D"},
    ], CV_BENCH["prompt"] + DIRECT, "B", "Count", key="idx", needed="prompt", files={"img/2D/count/ade20k_10.png": png()}),
    "mmvp": Sample("mmvp", "train-0.parquet", MMVP_PAIR, MMVP_TEXT, "B", "pairs", "Correct Answer", "Options", key="Index", wrong="(c)"),
    "mmvp-csv": Sample("mmvp", "Questions.csv", [{k: v for k, v in row.items() if k != "image"} for row in MMVP_PAIR], MMVP_TEXT, "B",
                       "pairs", "Correct Answer", "Options", key="Index", wrong="(c)",
                       files={"MMVP Images/1.jpg": png(), "MMVP Images/2.jpg": png()}),
    "3dsrbench": Sample("3dsrbench", "3dsr_circular/test-0.parquet", [{**THREE_D, "image": HF}], f"Which is higher?\nA. dog\nB. cat{DIRECT}",
                        "B", "height_higher", key="qid"),
    "3dsrbench-tsv": Sample("3dsrbench", "3dsrbench_v1_vlmevalkit_circular.tsv", [{**THREE_D, "image": BASE64}],
                            f"Which is higher?\nA. dog\nB. cat{DIRECT}", "B", "height_higher", key="qid"),
    "blink": Sample("blink", "Counting/val-0.parquet", [BLINK], f"How many in [Image 1]? (A) 3 (B) 2{DIRECT}", "B", "Counting",
                    needed="prompt", key="idx", pictures=2),
    "muirbench": Sample("muirbench", "data/test-0.parquet", [MUIRBENCH],
                        f"How many more in [Image 1] than in [Image 2]?\nA. 3\nB. [Image 3]{DIRECT}", "B", "Counting", key="idx", pictures=3),
    "mirb": Sample("mirb", "data/test-0.parquet", [MIRB], "Answer with the option symbol.\nWhich is spicy?\nA: first B: second", "B", "food",
                   "answers", "questions", key="question_id", pictures=2),
    "mirb-open": Sample("mirb", "data/test-0.parquet", [{**MIRB, "subset": "analogy", "answers": "mother"}],
                        "Answer with a single word.\nWhich is spicy?\nA: first B: second", "mother", "analogy", needed="questions", wrong=None,
                        key="question_id", pictures=2),
    "mantis": Sample("mantis", "mantis_eval/test-0.parquet", [MANTIS], f"[Image 1][Image 2] Which is newer?\nA. left\nB. right{DIRECT}", "B",
                     "comparison", key="id", pictures=2),
    "mantis-short": Sample(
        "mantis", "mantis_eval/test-0.parquet", [{**MANTIS, "question_type": "short-answer", "options": [], "answer": "Twelve"}],
        "Given the images, answer the following short answer vqa question:\nQ: [Image 1][Image 2] Which is newer?\n"
        'You can first give your analysis, and then give your final answer as "Final Answer:"', "Twelve", "comparison", wrong=None,
        key="id", pictures=2),
    "mmmu": Sample("mmmu", "Accounting/validation-0.parquet", [MMMU],
                   f"What does [Image 2] show of [Image 1]?\nA. profit\nB. loss [Image 3]{DIRECT}", "B", "Accounting", key="id", pictures=3),
    "mmmu-open": Sample("mmmu", "Accounting/validation-0.parquet",
                        [{**MMMU, "question_type": "open", "options": "[]", "answer": "$6,000", "question": "How much is in <image 2>?"}],
                        "How much is in [Image 1]?\nAnswer the question using a single word or phrase.", "$6,000", "Accounting", wrong=None,
                        key="id"),
    "mathvista": Sample("mathvista", "data/testmini-0.parquet", [MATHVISTA], MATHVISTA["query"], "B", "math word problem", key="pid",
                        needed="query"),
    "mathvista-number": Sample(
        "mathvista", "data/testmini-0.parquet",
        [{**MATHVISTA, "choices": None, "answer_type": "float", "answer": "1.45", "precision": 2.0, "question_type": "free_form"}],
        MATHVISTA["query"], "1.45", "math word problem", key="pid", needed="query", wrong=None),
    "mathverse": Sample("mathverse", "testmini.parquet", [{**MATHVERSE, "image": HF}], MATHVERSE["query_wo"], "B", "text lite",
                        needed="query_wo", key="sample_index"),
    "mathverse-json": Sample("mathverse", "testmini.json", [{**MATHVERSE, "image": "v/1.png"}], MATHVERSE["query_wo"], "B", "text lite",
                             needed="query_wo", key="sample_index", files={"images/v/1.png": png()}),
    "mathverse-free": Sample("mathverse", "testmini.parquet",
                             [{**MATHVERSE, "image": HF, "question_type": "free-form", "answer": "$10 \\sqrt{3}$"}], MATHVERSE["query_wo"],
                             "$10 \\sqrt{3}$", "text lite", needed="query_wo", key="sample_index", wrong=None),
    "mathvision": Sample("mathvision", "data/test-0.parquet", [{**MATHVISION, "decoded_image": HF}],
                         f"{BOXED}\nChoices:\nA. A\nB. B\nC. C", "B", "counting", key="id"),
    "mathvision-jsonl": Sample("mathvision", "test.jsonl", [{**MATHVISION, "options": [], "answer": "12"}], BOXED, "12", "counting",
                               key="id", wrong=None, files={"images/4.jpg": png()}),
    "we_math": Sample("we_math", "data/testmini-0.parquet", WE_MATH_ROWS, WE_MATH_TEXT, "B", "Perimeter", key="ID"),
    "we_math-json": Sample("we_math", "testmini.json", [{**row, "image_path": "1.png"} for row in WE_MATH_ROWS], WE_MATH_TEXT, "B",
                           "Perimeter", key="ID", files={"images/1.png": png()}),
}  # fmt: skip
