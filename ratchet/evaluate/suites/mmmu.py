"""MMMU: college exams of 30 subjects, multiple choice and open, with up to seven pictures (Yue et al. 2024).

The published figure is of the validation part, which is asked where the recipe names none. Answers of the test part are not
public, and its files are passed over. Pictures come before the text
here, and "<image 2>" in question or options becomes "[Image 2]". MMMU's script, and lmms-eval 0.7.3 with it, draws an option at random
where it can read none: a silent model scores its chance level, and a score changes from run to run. Here it is wrong. How open
answers are read, and what is mended there, is told in suites.open_answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ratchet.evaluate.suites import open_answers, options
from ratchet.evaluate.suites.base import Asked, Mark, Marked, Question, Suite, SuiteFigures
from ratchet.evaluate.suites.folder import Row
from ratchet.evaluate.suites.tables import loader
from ratchet.evaluate.suites.units import by_facts, category, fact

PARTS = ("validation", "dev")
OPEN = "Answer the question using a single word or phrase."
MOST_PICTURES = 7
DOMAINS = {
    "Art and Design": ("Art", "Art_Theory", "Design", "Music"),
    "Business": ("Accounting", "Economics", "Finance", "Manage", "Marketing"),
    "Science": ("Biology", "Chemistry", "Geography", "Math", "Physics"),
    "Health and Medicine": (
        "Basic_Medical_Science", "Clinical_Medicine", "Diagnostics_and_Laboratory_Medicine", "Pharmacy", "Public_Health",
    ),
    "Humanities and Social Science": ("History", "Literature", "Sociology", "Psychology"),
    "Tech and Engineering": (
        "Agriculture", "Architecture_and_Engineering", "Computer_Science", "Electronics", "Energy_and_Power", "Materials",
        "Mechanical_Engineering",
    ),
}  # fmt: skip
_DOMAIN = {subject: domain for domain, subjects in DOMAINS.items() for subject in subjects}
_ID = re.compile(r"(validation|dev)_(.+)_\d+")
_PLACE = re.compile(r"<image (\d)>")


def read(row: Row) -> Question:
    """id, question, options (a list as text), question_type, answer, image_1 .. image_7, topic_difficulty."""
    key = row.text("id")
    told = _ID.fullmatch(key)
    if told is None or told[2] not in _DOMAIN:
        raise row.problem(
            f"id is {key!r}, and must be validation_<subject>_<number> (or dev_..), of MMMU's 30 subjects"
        )
    chooses = row.choice("question_type", ("multiple-choice", "open")) == "multiple-choice"
    texts = options.listed(row, "options") if chooses else []
    whole = options.asked(row.text("question"), texts, options.DIRECT if chooses else OPEN)
    shown = _shown(row, whole)
    return Question(
        key=key,
        text=_PLACE.sub(lambda match: f"[Image {shown.index(int(match[1])) + 1}]", whole),
        pictures=tuple(row.picture(f"image_{number}") for number in shown),
        reference=options.letter(row, "answer", texts) if chooses else _free(row),
        category=told[2],
        facts={
            "options": texts,
            "part": told[1],
            "kind": "choice" if chooses else "open",
            "level": str(row.get("topic_difficulty", "")),
        },
    )


def _shown(row: Row, text: str) -> list[int]:
    """Numbers of the pictures that the text names, or of all where it names none."""
    named = sorted({int(number) for number in _PLACE.findall(text)})
    if found := named or [number for number in range(1, MOST_PICTURES + 1) if f"image_{number}" in row]:
        return found
    raise row.problem("no image_1, which the published format has")


def _free(row: Row) -> str:
    found = row.value("answer")
    return repr([str(one) for one in found]) if isinstance(found, list) else row.text("answer")


def mark(item: Asked, answer: str) -> Mark:
    """An option, or an open answer."""
    return options.mark(item, answer) if item.facts["options"] else open_answers.mark(item, answer)


def metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """Accuracy over items, by subject, domain, type, difficulty and part."""
    return by_facts(
        rows,
        {
            "categories": category,
            "domains": lambda row: _DOMAIN[row.category],
            "kinds": fact("kind"),
            "levels": fact("level"),
            "parts": fact("part"),
        },
    )


SUITES = (
    Suite(
        name="mmmu",
        title="MMMU",
        family="knowledge",
        measures="college exams of 30 subjects",
        paper="arXiv:2311.16502",
        needs="the validation Parquet files of MMMU/MMMU, or of lmms-lab/MMMU (dev's are asked where parts name dev)",
        format="lmms-eval 0.7.3, tasks/mmmu",
        primary="accuracy",
        load=loader(
            read,
            "*.parquet",
            part=lambda question: str(question.facts["part"]),
            without="test*",
            default=("validation",),
        ),
        mark=mark,
        metrics=metrics,
        parts=PARTS,
        max_new_tokens=128,
    ),
)
