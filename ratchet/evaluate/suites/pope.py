"""POPE: is this object in the picture? (Li et al. 2023, "Evaluating Object Hallucination in Large Vision-Language Models").

The yes-ratio is the share of yes among the PREDICTIONS, as the paper defines it; lmms-eval 0.7.3 computes it over the
references, which tells nothing about the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ratchet.evaluate.suites.base import Asked, Mark, Marked, Question, Suite, SuiteFigures
from ratchet.evaluate.suites.counting import by_category, yes_no
from ratchet.evaluate.suites.folder import Folder
from ratchet.verify import yes_no_answer
from ratchet.verify.extract import UNPARSED

PARTS = ("random", "popular", "adversarial")
ASK = "\nAnswer the question using a single word or phrase."


def load(folder: Folder, parts: tuple[str, ...]) -> Iterator[Question]:
    """Rows of the Hugging Face set (question_id, question, answer, image_source, image, category)."""
    wanted = parts or PARTS
    for row in folder.rows(*folder.find("*.parquet", "*.jsonl")):
        part = row.choice("category", PARTS)
        if part not in wanted:
            continue
        yield Question(
            key=f"{part}-{row.text('question_id', 'id')}",
            text=row.text("question") + ASK,
            pictures=(row.picture("image"),),
            reference=row.choice("answer", ("yes", "no")),
            category=part,
            cluster=str(row.get("image_source", "")) or None,
        )


def mark(item: Asked, answer: str) -> Mark:
    """Right when the answer's only yes or no is the reference; an unreadable answer is wrong."""
    said = yes_no_answer(answer)
    if said is None:
        return Mark(0.0, None, UNPARSED)
    word = "yes" if said else "no"
    return Mark(float(word == item.reference), word)


def metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """Of all items, and of each part."""
    return by_category(rows, yes_no)


SUITES = (
    Suite(
        name="pope",
        title="POPE",
        family="hallucination",
        measures="object existence",
        paper="arXiv:2305.10355",
        needs="the Parquet files of lmms-lab/POPE, or JSON lines with the same columns",
        format="lmms-eval 0.7.3, tasks/pope",
        primary="f1",
        load=load,
        mark=mark,
        metrics=metrics,
        parts=PARTS,
    ),
)
