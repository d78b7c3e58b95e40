"""ChartQA: questions about charts, by people and by a machine (Masry et al. 2022, arXiv:2203.10244).

Relaxed accuracy: a number may be up to 5% off the label, other answers must be the same. A number is read off the answer, so
that "14." and "It is 14" and "$1,400" are numbers, and a per cent sign may be left out, or stand for a hundredth.

Where lmms-eval 0.7.3 differs, ours is right, and a test has both numbers: its numbers are what Python's `float` takes, so that
"1,400" is no number and must be the label to the letter; "45%" is 0.45 and never 45; and a label of 0 is compared as text, so
that "0.0" is wrong. Where a label has several numbers ("2010, 2011") both compare text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal

from ratchet.evaluate.suites.answers import said, unparsed
from ratchet.evaluate.suites.base import Asked, Mark, Marked, Question, Suite, SuiteFigures
from ratchet.evaluate.suites.counting import accuracy_by_category
from ratchet.evaluate.suites.folder import Folder, Row
from ratchet.evaluate.suites.pictures import pictures_in
from ratchet.verify.extract import AMBIGUOUS
from ratchet.verify.rules.numbers import is_number, within
from ratchet.verify.text import normalise, numbers

PARTS = ("human", "augmented")
ASK = "\nAnswer the question with a single word."
TOLERANCE = Decimal("0.05")
HUNDREDTH = Decimal("0.01")


def load(folder: Folder, parts: tuple[str, ...]) -> Iterator[Question]:
    """Rows of the Hugging Face set (type, question, answer, image), or of test_human.json and test_augmented.json.

    The original's rows are imgname (a file in png/), query and label.
    """
    pictures = pictures_in(folder)
    names = folder.find("data/test-*.parquet", "*.parquet", "*test_human.json", "*test_augmented.json", "*.jsonl")
    if names[0].endswith(".json"):
        names = folder.names("*test_human.json") + folder.names("*test_augmented.json")
    numbered: Counter[str] = Counter()
    for row in folder.rows(*names):
        part = _part(row)
        numbered[part] += 1
        if part in (parts or PARTS):
            yield Question(
                key=f"{part}-{numbered[part]}",
                text=row.text("question", "query") + ASK,
                pictures=(pictures.of(row, "image", "imgname"),),
                reference=row.text("answer", "label"),
                category=part,
            )


def _part(row: Row) -> str:
    written = row.name.rpartition("test_")[2].removesuffix(".json") if row.name.endswith(".json") else row.text("type")
    part = written.removesuffix("_test").removesuffix("_split")
    if part not in PARTS:
        raise row.problem(f"type is {written!r}, and must be human_test or augmented_test")
    return part


def mark(item: Asked, answer: str) -> Mark:
    """Relaxed: within 5% of a number, else the same text."""
    given, wanted = said(answer), item.reference or ""
    if given is None:
        return unparsed()
    if not is_number(wanted):
        return Mark(float(normalise(given) == normalise(wanted)), given)
    read = set(numbers(given))
    if len(read) != 1:
        return Mark(0.0, None, AMBIGUOUS if read else "")
    return Mark(float(_near(read.pop(), given, wanted)), given)


def _near(number: Decimal, given: str, wanted: str) -> bool:
    (label,) = set(numbers(wanted))
    scales = [Decimal(1)]
    if ("%" in given) != ("%" in wanted):
        scales.append(HUNDREDTH if "%" in given else 1 / HUNDREDTH)
    return any(within(number * scale, label, TOLERANCE) for scale in scales)


def metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """Of all items, and of people's and the machine's questions."""
    return accuracy_by_category(rows)


SUITES = (
    Suite(
        name="chartqa",
        title="ChartQA",
        family="text",
        measures="questions about charts",
        paper="arXiv:2203.10244",
        needs="the Parquet files of lmms-lab/ChartQA; or test_human.json and test_augmented.json with the folder png",
        format="lmms-eval 0.7.3, tasks/chartqa; vis-nlp/ChartQA, ChartQA Dataset/test",
        primary="accuracy",
        load=load,
        mark=mark,
        metrics=metrics,
        parts=PARTS,
    ),
)
