"""MMBench: each question with its options in every rotation; it is right when all rotations are (Liu et al. 2023).

CircularEval is the benchmark's metric: a model that favours one letter fails some rotation. VanillaEval, of the rows as they
are without rotations, is given beside it. Files that hold the rotations (index + 1,000,000 a turn) are taken as they are; for
files with none all rotations are made here. lmms-eval 0.7.3 counts an unreadable answer by a judge, and where that fails draws
an option at random; here it is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ratchet.evaluate.suites import options
from ratchet.evaluate.suites.base import Marked, Question, Suite, SuiteFigures
from ratchet.evaluate.suites.counting import accuracy
from ratchet.evaluate.suites.folder import Folder, Row
from ratchet.evaluate.suites.tables import rows, unique
from ratchet.evaluate.suites.units import SIZE, by_facts, category, fact, together

TURN = 1_000_000
FILES = ("en/dev*.parquet", "*/en/dev*.parquet", "*dev*.parquet", "*DEV*.tsv", "*dev*.tsv", "*.parquet", "*.tsv")
LETTERS = "ABCDE"


def load(folder: Folder, _: tuple[str, ...]) -> Iterator[Question]:
    """Rows of the TSV or Parquet files (index, hint, question, A.., answer, category, L2-category, image)."""
    turns = Counter(_index(row) % TURN for row in folder.rows(*folder.find(*FILES)))
    whole = max(turns.values(), default=0) > 1
    return unique(
        rows(folder, *FILES), lambda row: [_question(row, turns[_index(row) % TURN])] if whole else _rotations(row)
    )


def _question(row: Row, size: int) -> Question:
    texts = options.columns(row, LETTERS)
    index = _index(row)
    hint = str(row.get("hint", "")).strip()
    asked = row.text("question") if hint.lower() in ("", "nan") else f"{hint}\n{row.text('question')}"
    return Question(
        key=str(index),
        text=options.asked(asked, texts),
        pictures=(row.picture("image"),),
        reference=options.letter(row, "answer", texts),
        category=row.text("category"),
        unit=str(index % TURN),
        facts={
            "options": texts,
            "question": asked,
            "turn": index // TURN,
            "ability": str(row.value("l2-category", "L2-category")),
            SIZE: size,
        },
    )


def _rotations(row: Row) -> list[Question]:
    """The question with its options turned by 0, 1, .. places."""
    first = _question(row, 1)
    texts: list[str] = first.facts["options"]
    place = options.LETTERS.index(first.reference or "")
    found = []
    for turn in range(len(texts)):
        turned = texts[turn:] + texts[:turn]
        facts = {**first.facts, "options": turned, "turn": turn, SIZE: len(texts)}
        found.append(
            replace(
                first,
                key=str(int(first.key) + turn * TURN),
                text=options.asked(first.facts["question"], turned),
                reference=options.LETTERS[(place - turn) % len(texts)],
                facts=facts,
            )
        )
    return found


def _index(row: Row) -> int:
    text = row.text("index").removesuffix(".0")
    if not text.isdecimal():
        raise row.problem(f"index is {text!r}, and must be a whole number: rotations are told by it")
    return int(text)


def metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """CircularEval of all, by ability and by category; `vanilla` is of the unturned questions alone."""
    every = list(rows)
    found = by_facts(every, {"abilities": fact("ability"), "categories": category}, together)
    vanilla = accuracy(row for row in every if row.facts["turn"] == 0)
    figures = accuracy(every)
    return {
        "circular": found.pop("accuracy"),
        "vanilla": vanilla["accuracy"],
        **found,
        "items": figures["items"],
        "unparsed": figures["unparsed"],
    }


SUITES = (
    Suite(
        name="mmbench",
        title="MMBench",
        family="knowledge",
        measures="perception and reasoning, circular",
        paper="arXiv:2307.06281",
        needs="the Parquet files of lmms-lab/MMBench (dev), or VLMEvalKit's MMBench_DEV_EN.tsv",
        format="lmms-eval 0.7.3, tasks/mmbench; VLMEvalKit, vlmeval/dataset/image_mcq.py",
        primary="circular",
        load=load,
        mark=options.mark,
        metrics=metrics,
    ),
)
