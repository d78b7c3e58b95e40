"""We-Math: a problem and each of its steps asked alone; what a model knows is told apart from what it can put together (Qiao et al. 2024).

Of a problem with its steps: complete mastery, all right; rote memorisation, the problem right and a step wrong; inadequate generalisation,
all steps right and the problem wrong; insufficient knowledge, a step and the problem wrong. The score is mastery and half of inadequate
generalisation. Loosely, one right step is enough for mastery, and memorisation needs all steps wrong. lmms-eval 0.7.3 divides by 525 however
many problems were asked; here it is by the problems that are there with all their steps.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from ratchet.evaluate.counts import share
from ratchet.evaluate.suites import options
from ratchet.evaluate.suites.base import Asked, Mark, Marked, Question, Suite, SuiteFigures
from ratchet.evaluate.suites.counting import accuracy
from ratchet.evaluate.suites.folder import Row
from ratchet.evaluate.suites.tables import loader
from ratchet.evaluate.suites.units import SIZE, gathered, unit_of

MULTI = "multi"
ASK = (
    "Now, we require you to solve a multiple-choice math question. Please briefly describe your thought process and provide the "
    "final answer(option).\nQuestion: {question}\nOption: {option}\nRegarding the format, please answer following the template below, "
    "and be sure to include two <> symbols:\n<Thought process>: <<your thought process>> <Answer>: <<your option>>"
)
_KEY = re.compile(r"([23])steps_([123]|multi)")
_ANSWER = re.compile(r"<\s*answer\s*>\s*:", re.IGNORECASE)


def read(row: Row) -> Question:
    """ID, key ("2steps_1", "2steps_multi"), question, option, answer, knowledge concept, image_path."""
    said = row.text("key")
    told = _KEY.fullmatch(said)
    if told is None or (told[2].isdecimal() and int(told[2]) > int(told[1])):
        raise row.problem(f"key is {said!r}, and must be 2steps_ or 3steps_ with a step's number or multi")
    written = row.text("option")
    texts = options.written(written)
    if not texts:
        raise row.problem(f"option is {written[:40]!r}, and must list options as 'A. .. B. ..'")
    return Question(
        key=f"{said}-{row.text('ID')}",
        text=ASK.format(question=row.text("question"), option=written),
        pictures=(row.picture("image_path", "image", below="images"),),
        reference=options.letter(row, "answer", texts),
        category=row.text("knowledge concept") if told[2] != MULTI else f"{told[1]} steps",
        unit=f"{told[1]}steps-{row.text('ID')}",
        facts={"options": texts, "steps": int(told[1]), "step": told[2], SIZE: int(told[1]) + 1},
    )


def mark(item: Asked, answer: str) -> Mark:
    """The option after "<Answer>:", which opens no tag here."""
    return options.mark(item, _ANSWER.sub(" Answer: ", answer))


def metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """`strict` and `loose` scores with their four parts, and accuracy of steps and of problems."""
    every = list(rows)
    problems = gathered(every, unit_of).values()
    whole = [unit for unit in problems if _whole(unit)]
    strict, loose = _told(whole, any_step=False), _told(whole, any_step=True)
    return {
        "strict": strict.pop("score"),
        "loose": loose.pop("score"),
        "strict_parts": strict,
        "loose_parts": loose,
        "one_step": _share(row for row in every if row.facts["step"] != MULTI),
        "two_step": _share(row for row in every if row.facts["step"] == MULTI and row.facts["steps"] == 2),
        "three_step": _share(row for row in every if row.facts["step"] == MULTI and row.facts["steps"] == 3),
        "problems": len(whole),
        "problems_left_out": len(problems) - len(whole),
        **accuracy(every),
    }


def _whole(unit: Sequence[Marked]) -> bool:
    return len(unit) == unit[0].facts[SIZE] and all(row.mark.score is not None for row in unit)


def _share(rows: Iterable[Marked]) -> float | int | dict[str, object] | None:
    return accuracy(rows)["accuracy"]


def _told(problems: Sequence[Sequence[Marked]], any_step: bool) -> SuiteFigures:
    """Shares of the four kinds; rote memorisation is of the problems that are right, as the paper has it."""
    counts = Counter(_kind(unit, any_step) for unit in problems)
    right = counts["mastery"] + counts["rote"]
    return {
        "score": share(counts["mastery"] + counts["inadequate"] / 2, len(problems)),
        "complete_mastery": share(counts["mastery"], len(problems)),
        "inadequate_generalisation": share(counts["inadequate"], len(problems)),
        "insufficient_knowledge": share(counts["insufficient"], len(problems)),
        "rote_memorisation": share(counts["rote"], right),
    }


def _kind(unit: Sequence[Marked], any_step: bool) -> str:
    steps = [bool(row.mark.correct) for row in unit if row.facts["step"] != MULTI]
    if any(row.mark.correct for row in unit if row.facts["step"] == MULTI):
        return "mastery" if (any(steps) if any_step else all(steps)) else "rote"
    return "inadequate" if all(steps) else "insufficient"


SUITES = (
    Suite(
        name="we_math",
        title="We-Math",
        family="maths",
        measures="problems and their steps: knowledge apart from putting together",
        paper="arXiv:2407.01284",
        needs="the testmini Parquet file of We-Math/We-Math, or testmini.json with images/",
        format="lmms-eval 0.7.3, tasks/wemath; VLMEvalKit, vlmeval/dataset/utils/wemath.py",
        primary="strict",
        load=loader(read, "*testmini*.parquet", "*.parquet", "*testmini.json"),
        mark=mark,
        metrics=metrics,
        max_new_tokens=512,
    ),
)
