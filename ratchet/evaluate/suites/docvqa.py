"""DocVQA: questions about scanned pages (Mathew et al. 2021, WACV, arXiv:2007.00398).

ANLS: the similarity to the nearest right answer by Levenshtein distance over the longer length, 0 below a half; case and runs of
white space do not count. Where lmms-eval 0.7.3 differs, ours is right, and a test has both numbers: it takes white space out
before it counts edits, and not before it measures lengths, so that an answer grows more similar with each blank around it.
The test split has no public answers; give the validation split.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ratchet.evaluate.suites.answers import said, unparsed
from ratchet.evaluate.suites.base import Asked, Mark, Marked, Question, Suite, SuiteFigures
from ratchet.evaluate.suites.counting import accuracy
from ratchet.evaluate.suites.folder import Folder
from ratchet.evaluate.suites.pictures import pictures_in
from ratchet.verify.rules.ocr import ANLS_FLOOR, LONGEST, nearest
from ratchet.verify.rules.reading import TOO_LONG

ASK = "\nAnswer the question using a single word or phrase."
ANSWERS, KINDS = "answers", "kinds"


def load(folder: Folder, _: tuple[str, ...]) -> Iterator[Question]:
    """Rows of the Hugging Face set's validation split, or of the competition's val_v1.0_withQT.json.

    Fields of both: questionId, question, question_types, image, docId, answers. The competition's file holds the rows under
    `data`, and names its pictures.
    """
    names = folder.find("*validation-*.parquet", "*.parquet", "*val*.json", "*.jsonl")
    pictures = pictures_in(folder)
    for row in folder.listed("data", *names) if names[0].endswith(".json") else folder.rows(*names):
        answers = row.value("answers")
        if not isinstance(answers, list) or not answers or not all(isinstance(one, str) for one in answers):
            raise row.problem("answers must be a list of at least one text; the test split has none, give validation")
        yield Question(
            key=row.text("questionId"),
            text=row.text("question") + ASK,
            pictures=(pictures.of(row, "image"),),
            reference=answers[0],
            category="DocVQA",
            facts={ANSWERS: answers, KINDS: row.get("question_types", [])},
            cluster=str(row.get("docId", "")) or None,
        )


def mark(item: Asked, answer: str) -> Mark:
    """ANLS of one answer."""
    given = said(answer)
    if given is None:
        return unparsed()
    if len(given) > LONGEST:
        return Mark(0.0, given[:80], TOO_LONG)
    return Mark(nearest(_plain(given), map(_plain, item.facts[ANSWERS]), ANLS_FLOOR), given)


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """ANLS of all items and by the kinds of questions, of which an item may have several."""
    every = list(rows)
    kinds = sorted({kind for row in every for kind in row.facts[KINDS]})
    return {
        **_figures(every),
        "categories": {kind: _figures(row for row in every if kind in row.facts[KINDS]) for kind in kinds},
    }


def _figures(rows: Iterable[Marked]) -> SuiteFigures:
    found = accuracy(rows)
    return {"anls": found.pop("accuracy"), **found}


SUITES = (
    Suite(
        name="docvqa",
        title="DocVQA",
        family="text",
        measures="questions about scanned documents",
        paper="arXiv:2007.00398",
        needs="the Parquet files of lmms-lab/DocVQA (DocVQA/validation-*); or val_v1.0_withQT.json with the folder documents",
        format="lmms-eval 0.7.3, tasks/docvqa; RRC challenge 17, task 1",
        primary="anls",
        load=load,
        mark=mark,
        metrics=metrics,
    ),
)
