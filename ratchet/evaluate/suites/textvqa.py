"""TextVQA: questions about text in photographs (Singh et al. 2019, CVPR, arXiv:1904.08920).

VQA accuracy against the answers of ten people, with the official normalisation of answers (`ratchet.verify.rules.vqa`). It is
lmms-eval's too, and a test has the same score on the same answers. The test split has no public answers; give validation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ratchet.evaluate.suites.answers import said, unparsed
from ratchet.evaluate.suites.base import Asked, Mark, Marked, Question, Suite, SuiteFigures
from ratchet.evaluate.suites.counting import accuracy
from ratchet.evaluate.suites.folder import Folder
from ratchet.evaluate.suites.pictures import pictures_in
from ratchet.verify.rules.vqa import plain_answer, vqa_accuracy

ASK = "\nAnswer the question using a single word or phrase."
ANSWERS = "answers"


def load(folder: Folder, _: tuple[str, ...]) -> Iterator[Question]:
    """Rows of the Hugging Face set's validation split, or of TextVQA_0.5.1_val.json.

    Fields of both: image_id, question_id, question, answers (ten). The original holds the rows under `data`, and its pictures
    are called after image_id.
    """
    names = folder.find("*validation-*.parquet", "*.parquet", "*TextVQA*val*.json", "*.jsonl")
    pictures = pictures_in(folder)
    original = names[0].endswith(".json")
    for row in folder.listed("data", *names) if original else folder.rows(*names):
        answers = row.value("answers")
        if not isinstance(answers, list) or not any(answers):
            raise row.problem("answers must be a list of at least one text; the test split has none, give validation")
        image_id = row.text("image_id")
        picture = pictures.named(row, f"{image_id}.jpg") if original else pictures.of(row, "image")
        yield Question(
            key=row.text("question_id"),
            text=row.text("question").capitalize() + ASK,
            pictures=(picture,),
            reference=str(max(dict.fromkeys(answers), key=answers.count)),
            category="TextVQA",
            facts={ANSWERS: [str(one) for one in answers]},
            cluster=image_id,
        )


def mark(item: Asked, answer: str) -> Mark:
    """VQA accuracy of one answer."""
    given = said(answer)
    if given is None:
        return unparsed()
    return Mark(vqa_accuracy(given, item.facts[ANSWERS]), plain_answer(given))


def metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """Mean VQA accuracy."""
    return accuracy(rows)


SUITES = (
    Suite(
        name="textvqa",
        title="TextVQA",
        family="text",
        measures="questions about text in photographs",
        paper="arXiv:1904.08920",
        needs="the Parquet files of lmms-lab/textvqa (validation-*); or TextVQA_0.5.1_val.json with the folder train_images",
        format="lmms-eval 0.7.3, tasks/textvqa; textvqa.org, dataset v0.5.1",
        primary="accuracy",
        load=load,
        mark=mark,
        metrics=metrics,
    ),
)
