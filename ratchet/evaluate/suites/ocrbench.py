"""OCRBench: 1000 questions that ask to read (Liu et al. 2024, arXiv:2305.07895).

An answer is right when a right text stands in it, case aside; for handwritten formulas (HME100k) white space aside and case not.
`score` is of 1000. This is lenient by the benchmark's own rule: "1" stands in "2019".

Where lmms-eval 0.7.3 differs, ours is right, and a test has both numbers: it divides by 1000 however many items were asked, and
keeps its counts in a global, so that a second run in one process scores twice as much.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ratchet.evaluate.suites.answers import said, unparsed
from ratchet.evaluate.suites.base import Asked, Mark, Marked, Question, Suite, SuiteFigures
from ratchet.evaluate.suites.counting import accuracy_by_category
from ratchet.evaluate.suites.folder import Folder, Row
from ratchet.evaluate.suites.pictures import pictures_in

KINDS = (
    "Regular Text Recognition", "Irregular Text Recognition", "Artistic Text Recognition", "Handwriting Recognition",
    "Digit String Recognition", "Non-Semantic Text Recognition", "Scene Text-centric VQA", "Doc-oriented VQA",
    "Key Information Extraction", "Handwritten Mathematical Expression Recognition",
)  # fmt: skip
RECOGNITION = KINDS[:6]
FULL = 1000
FORMULAS = "HME100k"
ANSWERS, SOURCE = "answers", "dataset"
# Full-width ASCII is the same text; Chinese and Japanese sets write it.
_NARROW = {0xFF01 + i: 0x21 + i for i in range(94)} | {0x3000: 0x20}


def load(folder: Folder, parts: tuple[str, ...]) -> Iterator[Question]:
    """Rows of the Hugging Face set (dataset, question, question_type, answer, image), or of OCRBench.json.

    The original's rows are dataset_name, image_path, question, answers and type.
    """
    pictures = pictures_in(folder)
    names = folder.find("data/test-*.parquet", "*.parquet", "*OCRBench*.json", "*.jsonl")
    for number, row in enumerate(folder.rows(*names)):
        kind = row.text("question_type", "type")
        if kind not in KINDS:
            raise row.problem(f"question_type is {kind!r}, and must be one of {', '.join(KINDS)}")
        if kind not in (parts or KINDS):
            continue
        answers = _answers(row)
        yield Question(
            key=str(number),
            text=row.text("question"),
            pictures=(pictures.of(row, "image", "image_path"),),
            reference=answers[0],
            category=kind,
            facts={ANSWERS: answers, SOURCE: row.text("dataset", "dataset_name")},
        )


def _answers(row: Row) -> list[str]:
    found = row.value("answer", "answers")
    many = [str(one) for one in (found if isinstance(found, list) else [found])]
    if not many or not all(one.strip() for one in many):
        raise row.problem(
            "answer must be a text or a list of texts, none of them empty: an empty one stands in any answer"
        )
    return many


def mark(item: Asked, answer: str) -> Mark:
    """Right when one of the right texts stands in the answer."""
    given = said(answer)
    if given is None:
        return unparsed()
    plain = _formula if item.facts[SOURCE] == FORMULAS else _plain
    return Mark(float(any(plain(one) in plain(given) for one in item.facts[ANSWERS])), given)


def _plain(text: str) -> str:
    return text.translate(_NARROW).lower().strip().replace("\n", " ")


def _formula(text: str) -> str:
    return text.strip().replace("\n", " ").replace(" ", "")


def metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """`score` of 1000 with `accuracy`, that of the six kinds of text recognition together, and of each kind."""
    every = list(rows)
    found = accuracy_by_category(every)
    reading = accuracy_by_category(row for row in every if row.category in RECOGNITION)
    share = found["accuracy"]
    return {
        "score": round(FULL * share, 3) if isinstance(share, float) else None,
        **found,
        "recognition": reading["accuracy"],
    }


SUITES = (
    Suite(
        name="ocrbench",
        title="OCRBench",
        family="text",
        measures="reading: text, scenes, documents, forms, formulas",
        paper="arXiv:2305.07895",
        needs="the Parquet files of echo840/OCRBench; or OCRBench.json with the folder OCRBench_Images",
        format="lmms-eval 0.7.3, tasks/ocrbench; Yuliang-Liu/MultimodalOCR, OCRBench",
        primary="accuracy",
        load=load,
        mark=mark,
        metrics=metrics,
        parts=KINDS,
        max_new_tokens=128,
    ),
)
