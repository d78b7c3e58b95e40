"""MME: fourteen subtasks of two yes/no questions for each picture (Fu et al. 2023, "MME: A Comprehensive Evaluation Benchmark").

A subtask's score is acc + acc+, in 0..200: acc is the share of right answers, acc+ that of pictures with both answers right.
Perception sums ten subtasks, cognition four.

Where lmms-eval 0.7.3 differs, ours is right, and a test has both numbers: it reads the first four characters of an answer, so
that "Not sure" is a no, and "I see no dog" is neither. We read the answer's only yes or no, as in every suite.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from ratchet.evaluate.suites import released
from ratchet.evaluate.suites.answers import YES_NO, yes_no_mark
from ratchet.evaluate.suites.base import Marked, Question, Suite, SuiteFigures
from ratchet.evaluate.suites.counting import accuracy, all_right
from ratchet.evaluate.suites.folder import Folder, Row

PERCEPTION = (
    "existence", "count", "position", "color", "posters", "celebrity", "scene", "landmark", "artwork", "OCR",
)  # fmt: skip
COGNITION = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")
SUBTASKS = PERCEPTION + COGNITION
PUBLISHED_ASK = "Please answer yes or no."
ASK = "\nAnswer the question using a single word or phrase."
PAIR = 2


def load(folder: Folder, parts: tuple[str, ...]) -> Iterator[Question]:
    """The folders of MME's release, or rows of the Hugging Face set: question_id (the picture's, twice), image, question, answer, category."""
    asked: dict[str, int] = defaultdict(int)
    for row in _rows(folder):
        subtask = _subtask(row)
        if subtask not in (parts or SUBTASKS):
            continue
        picture = f"{subtask}/{row.text('question_id')}"
        asked[picture] += 1
        if asked[picture] > PAIR:
            raise row.problem(f"{picture} is asked about a third time, and MME asks twice about each picture")
        yield Question(
            key=f"{picture}/{asked[picture]}",
            text=row.text("question").replace(PUBLISHED_ASK, "").strip() + ASK,
            pictures=(row.picture("image"),),
            reference=row.choice("answer", YES_NO),
            category=subtask,
            unit=picture,
        )


def _rows(folder: Folder) -> Iterator[Row]:
    tables = ("data/test-*.parquet", "*.parquet", "*.jsonl")
    texts = any(folder.names(f"*{subtask}/*.txt") for subtask in SUBTASKS)
    if texts and not any(folder.names(pattern) for pattern in tables):
        yield from released.mme(folder, SUBTASKS)
    else:
        yield from folder.rows(*folder.find(*tables, "<subtask>/*.txt"))


def _subtask(row: Row) -> str:
    found = row.text("category")
    if found not in SUBTASKS:
        raise row.problem(f"category is {found!r}, and must be one of {', '.join(SUBTASKS)}")
    return found


def metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """`score` of 2800 as the sum of both halves, the halves, and each subtask's acc, acc+ and score."""
    of: dict[str, list[Marked]] = defaultdict(list)
    for row in rows:
        of[row.category].append(row)
    subtasks = {name: _figures(of[name]) for name in SUBTASKS if name in of}
    perception, cognition = (_sum(subtasks, half) for half in (PERCEPTION, COGNITION))
    return {
        "score": None if perception is None or cognition is None else round(perception + cognition, 4),
        "perception": perception,
        "cognition": cognition,
        **accuracy(row for part in of.values() for row in part),
        "categories": subtasks,
    }


def _figures(rows: list[Marked]) -> SuiteFigures:
    sizes = Counter(row.unit for row in rows)
    plus = all_right((row for row in rows if sizes[row.unit] == PAIR), lambda row: row.unit)
    plain = accuracy(rows)
    acc, acc_plus = plain["accuracy"], plus["share"]
    known = isinstance(acc, float) and isinstance(acc_plus, float)
    return {
        **plain,
        "accuracy_plus": acc_plus,
        "score": round(100 * (acc + acc_plus), 4) if known else None,  # type: ignore[operator]
        "pictures": plus["groups"],
    }


def _sum(subtasks: dict[str, SuiteFigures], half: tuple[str, ...]) -> float | None:
    """None unless every subtask is there: a sum of fewer is no MME score."""
    scores = [subtasks[name]["score"] for name in half if name in subtasks]
    known = [score for score in scores if isinstance(score, float | int)]
    return round(sum(known), 4) if len(known) == len(half) else None


SUITES = (
    Suite(
        name="mme",
        title="MME",
        family="hallucination",
        measures="14 yes/no subtasks of perception and cognition",
        paper="arXiv:2306.13394",
        needs="MME_Benchmark_release_version as it is released, a folder a subtask; or the Parquet files of lmms-lab/MME",
        format="lmms-eval 0.7.3, tasks/mme; LLaVA, scripts/convert_answer_to_mme.py (get_gt)",
        primary="accuracy",
        load=load,
        mark=yes_no_mark,
        metrics=metrics,
        parts=SUBTASKS,
    ),
)
