"""CV-Bench (2D and 3D, averaged over its sources) and MMVP (pairs of pictures that CLIP takes for alike).

CV-Bench's accuracy is 1/2 ((ADE20K + COCO) / 2 + Omni3D), as its paper and data card say; lmms-eval 0.7.3 reports the plain share
of right items, which counts COCO's many questions more, and keeps the paper's formula in a function that no task calls.

MMVP scores pairs: a question is asked of two pictures with opposite answers, and both must be right. Rows 99, 100, 279 and 280 of
the first release have swapped answers (tsb0601/MMVP, issue 30); lmms-lab-eval/MMVP has them mended, and files are taken as
they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ratchet.evaluate.counts import share
from ratchet.evaluate.suites import options
from ratchet.evaluate.suites.base import Marked, Question, Suite, SuiteFigures
from ratchet.evaluate.suites.counting import accuracy
from ratchet.evaluate.suites.folder import Row
from ratchet.evaluate.suites.tables import loader
from ratchet.evaluate.suites.units import SIZE, by_facts, category, fact, together

SOURCES = ("ADE20K", "COCO", "Omni3D")
_OPTION = re.compile(r"\(([a-z])\)\s*(.*?)\s*(?=\([a-z]\)|$)", re.DOTALL)


def cv_bench(row: Row) -> Question:
    """idx, type, task, image or filename, question, choices, answer "(A)", prompt, source."""
    texts = options.listed(row, "choices")
    source = row.text("source")
    if source not in SOURCES:
        raise row.problem(f"source is {source!r}, and must be one of {', '.join(SOURCES)}: the average is over them")
    return Question(
        key=f"{row.text('type')}-{row.text('idx')}",
        text=f"{row.text('prompt')}\n{options.DIRECT}",
        pictures=(row.picture("image", "filename", below="img"),),
        reference=options.letter(row, "answer", texts),
        category=row.text("task"),
        facts={"options": texts, "source": source, "type": row.text("type")},
    )


def cv_bench_metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """`accuracy` as the paper averages it, None where a source has no items; `items_accuracy` is over items."""
    found = by_facts(rows, {"categories": category, "sources": fact("source"), "types": fact("type")})
    sources = found["sources"]
    known: dict[str, SuiteFigures] = sources if isinstance(sources, dict) else {}
    ade, coco, omni = (_number(known.get(name, {}).get("accuracy")) for name in SOURCES)
    whole = None if ade is None or coco is None or omni is None else share((ade + coco) / 2 + omni, 2)
    return {**found, "accuracy": whole, "items_accuracy": found["accuracy"]}


def _number(found: object) -> float | None:
    return float(found) if isinstance(found, int | float) else None


def mmvp(row: Row) -> Question:
    """Index from 1, Question, Options "(a) Open (b) Closed", Correct Answer "(a)", image; or Questions.csv with MMVP Images/."""
    said = row.text("Options", "options")
    texts = [match[2].strip(" ,;") for match in _OPTION.finditer(said)]
    if len(texts) < 2:
        raise row.problem(f"Options is {said[:40]!r}, and must list them as '(a) .. (b) ..'")
    number = row.text("Index", "index").removesuffix(".0")
    if not number.isdecimal() or int(number) < 1:
        raise row.problem(f"Index is {number!r}, and must be a whole number from 1: it tells the pairs")
    return Question(
        key=number,
        text=options.asked(row.text("Question", "question"), texts),
        pictures=(_picture(row, number),),
        reference=options.letter(row, "Correct Answer" if "Correct Answer" in row else "answer", texts),
        category="pairs",
        unit=str((int(number) - 1) // 2),
        facts={"options": texts, SIZE: 2},
    )


def _picture(row: Row, number: str) -> bytes:
    return row.picture("image") if "image" in row else row.folder.bytes(f"MMVP Images/{number}.jpg")


def mmvp_metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """`pair_accuracy`: both of a pair; `accuracy`: each alone."""
    every = list(rows)
    pairs = together(every)
    return {
        "pair_accuracy": pairs["accuracy"],
        "pairs": pairs["units"],
        "pairs_incomplete": pairs["incomplete"],
        "pairs_unscored": pairs["unscored"],
        **accuracy(every),
    }


SUITES = (
    Suite(
        name="cv_bench",
        title="CV-Bench",
        family="spatial",
        measures="count, relation, depth, distance",
        paper="arXiv:2406.16860",
        needs="the Parquet files of nyu-visionx/CV-Bench, or its test_2d.jsonl and test_3d.jsonl with img/",
        format="lmms-eval 0.7.3, tasks/cv_bench; data card of nyu-visionx/CV-Bench",
        primary="accuracy",
        load=loader(cv_bench, "*test*.parquet", "*.parquet", "*test*.jsonl"),
        mark=options.mark,
        metrics=cv_bench_metrics,
    ),
    Suite(
        name="mmvp",
        title="MMVP",
        family="spatial",
        measures="pairs that CLIP takes for alike",
        paper="arXiv:2401.06209",
        needs="the Parquet file of lmms-lab-eval/MMVP, or Questions.csv and MMVP Images/ of MMVP/MMVP",
        format="lmms-eval 0.7.3, tasks/mmvp; VLMEvalKit, report_acc_MMVP",
        primary="pair_accuracy",
        load=loader(mmvp, "*.parquet", "*Questions.csv"),
        mark=options.mark,
        metrics=mmvp_metrics,
    ),
)
