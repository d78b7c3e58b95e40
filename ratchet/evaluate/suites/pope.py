"""POPE: is this object in the picture? (Li et al. 2023, "Evaluating Object Hallucination in Large Vision-Language Models").

Where lmms-eval 0.7.3 differs, ours is right, and a test has both numbers:
- Its yes-ratio is computed over the references, which tells nothing about the model. Ours is the share of yes among the
  PREDICTIONS, as the paper defines it.
- Its answers must be "yes" or "no" to the letter: "Yes." is wrong. We read it as yes.
- Its recall leaves out the objects about which the model said neither yes nor no, so that refusing raises it. Ours counts
  them as not found, as it counts any object that the model did not say yes to.
POPE's own script reads whatever has no "no" or "not" in its first sentence as yes; we read neither as unparsed, and wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ratchet.evaluate.suites.answers import YES_NO, yes_no_mark
from ratchet.evaluate.suites.base import Marked, Question, Suite, SuiteFigures
from ratchet.evaluate.suites.counting import by_category, yes_no
from ratchet.evaluate.suites.folder import Folder, Row
from ratchet.evaluate.suites.pictures import pictures_in

PARTS = ("random", "popular", "adversarial")
ASK = "\nAnswer the question using a single word or phrase."
ORIGINAL = "*coco_pope_*.json"


def load(folder: Folder, parts: tuple[str, ...]) -> Iterator[Question]:
    """Rows of the Hugging Face set (question_id, question, answer, image_source, image, category), or the original lines.

    The original has a file for each part, `coco_pope_<part>.json`, with one JSON object a line: question_id, image (a file
    of COCO's val2014), text, label.
    """
    wanted = parts or PARTS
    names = folder.find("data/test-*.parquet", "*.parquet", ORIGINAL, "*.jsonl")
    pictures = pictures_in(folder)
    for row in folder.lines(*names) if names[0].endswith(".json") else folder.rows(*names):
        part = _part(row)
        if part not in wanted:
            continue
        yield Question(
            key=f"{part}-{row.text('question_id', 'id')}",
            text=row.text("question", "text") + ASK,
            pictures=(pictures.of(row, "image"),),
            reference=row.choice("label" if "label" in row else "answer", YES_NO),
            category=part,
            cluster=str(row.get("image_source", "")) or None,
        )


def _part(row: Row) -> str:
    """By the column, or by the name of the original's file."""
    if not row.name.endswith(".json"):
        return row.choice("category", PARTS)
    part = row.name.rpartition("_")[2].removesuffix(".json")
    if part not in PARTS:
        raise row.problem(f"a file of POPE is called coco_pope_<part>.json, with a part of {', '.join(PARTS)}")
    return part


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
        needs="the Parquet files of lmms-lab/POPE; or coco_pope_<part>.json of the paper's repository, with COCO's pictures that they name",
        format="lmms-eval 0.7.3, tasks/pope; RUCAIBox/POPE, output/coco",
        primary="f1",
        load=load,
        mark=yes_no_mark,
        metrics=metrics,
        parts=PARTS,
    ),
)
