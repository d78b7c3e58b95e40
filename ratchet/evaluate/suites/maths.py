"""MathVista, MathVerse and MathVision: mathematics with a figure.

lmms-eval 0.7.3 differs where its scripts go beyond what a model said. MathVista's takes the option nearest in letters for an answer that is
none, so that nothing is unreadable, and cuts 3.7 to the integer 3; MathVerse's asks a judge for every answer; MathVision's reads LaTeX with
Python's `eval`. Here answers are read by rule (suites.maths_answers).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ratchet.evaluate.suites import maths_answers, options, released
from ratchet.evaluate.suites.base import Asked, Mark, Marked, Question, Suite, SuiteFigures
from ratchet.evaluate.suites.folder import Row
from ratchet.evaluate.suites.released import or_release
from ratchet.evaluate.suites.tables import loader
from ratchet.evaluate.suites.units import by_facts, category, fact

VERSIONS = ("text dominant", "text lite", "vision intensive", "vision dominant", "vision only")
"""MathVerse's versions that have a figure; "text only" has none and is left out."""
ANSWER_TYPES = ("text", "integer", "float", "list")
BOXED = 'Please solve the problem step by step and put your answer in one "\\boxed{}".'
_CHOICE = re.compile(r"^\s*\(?([A-Z])\)?\s?[:.]\s*(.+?)\s*$", re.MULTILINE)


def mathvista(row: Row) -> Question:
    """pid, query, choices, answer (an option's text, or a number), answer_type, precision, metadata, decoded_image or image."""
    kind = row.choice("answer_type", ANSWER_TYPES)
    texts = options.listed(row, "choices") if row.get("choices") else []
    told = row.value("metadata")
    if not isinstance(told, dict):
        raise row.problem(f"metadata is a {type(told).__name__}, and must be an object with task, skills and others")
    return Question(
        key=row.text("pid"),
        text=row.text("query"),
        pictures=(row.picture("decoded_image", "image"),),
        reference=options.by_text(row, "answer", texts) if texts else _typed(row, kind),
        category=str(told.get("task", "")),
        facts={
            "options": texts,
            "kind": kind,
            "digits": int(row.get("precision", 0)) if kind == "float" else 0,
            "skills": [str(one) for one in told.get("skills") or ()],
            "context": str(told.get("context", "")),
            "grade": str(told.get("grade", "")),
        },
    )


def _typed(row: Row, kind: str) -> str:
    """A free answer, of the type that the row says."""
    answer = row.text("answer")
    try:
        if kind in ("integer", "float"):
            float(answer)
    except ValueError as error:
        raise row.problem(f"answer is {answer[:40]!r}, and answer_type says {kind}") from error
    return answer


def mark_mathvista(item: Asked, answer: str) -> Mark:
    """An option, a number to the question's precision, or a list."""
    if item.facts["options"]:
        return maths_answers.option(item, answer)
    match item.facts["kind"]:
        case "list":
            return maths_answers.sequence(item, answer)
        case "text":
            return maths_answers.equation(item, answer)
        case "integer":
            return maths_answers.number(item, answer, 6)
        case _:
            return maths_answers.number(item, answer, item.facts["digits"])


def mathvista_metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """Accuracy, by task, skill, kind of picture and grade."""
    facets = {"categories": category, "skills": fact("skills"), "contexts": fact("context"), "grades": fact("grade")}
    return by_facts(rows, facets)


def mathverse(row: Row) -> Question | None:
    """sample_index, problem_index, problem_version, query_wo, question_for_eval, question_type, answer, metadata, image."""
    version = row.choice("problem_version", (*VERSIONS, "text only"))
    if version == "text only":
        return None
    chooses = row.choice("question_type", ("multi-choice", "free-form")) == "multi-choice"
    texts = _choices(row) if chooses else []
    told = row.value("metadata")
    return Question(
        key=row.text("sample_index"),
        text=options.placed(row.text("query_wo")),
        pictures=(row.picture("image", below="images"),),
        reference=options.letter(row, "answer", texts) if chooses else row.text("answer"),
        category=version,
        facts={
            "options": texts,
            "kind": "choice" if chooses else "free",
            "subject": str(told.get("subject", "")) if isinstance(told, dict) else "",
            "subfield": str(told.get("subfield", "")) if isinstance(told, dict) else "",
        },
        cluster=f"mathverse-{row.text('problem_index')}",
    )


def _choices(row: Row) -> list[str]:
    """The options, which stand in the whole question, one a line; where they are drawn only, letters without texts."""
    found = [text for _, text in _CHOICE.findall(row.text("question_for_eval"))]
    return found if len(found) > 1 else [""] * 5


def mark_free_or_option(item: Asked, answer: str) -> Mark:
    """An option, or a formula."""
    return maths_answers.option(item, answer) if item.facts["options"] else maths_answers.equation(item, answer)


def mathverse_metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """Accuracy, by version, subject, subfield and type."""
    facets = {"categories": category, "subjects": fact("subject"), "subfields": fact("subfield"), "kinds": fact("kind")}
    return by_facts(rows, facets)


def mathvision(row: Row) -> Question:
    """id, question, options, decoded_image or image, answer (a letter where there are options), subject, level."""
    texts = options.listed(row, "options") if row.get("options") else []
    level = row.text("level")
    whole = f"{BOXED}\n{options.placed(row.text('question'))}"
    return Question(
        key=row.text("id"),
        text=f"{whole}\nChoices:\n{options.lettered(texts)}" if texts else whole,
        pictures=(row.picture("decoded_image", "image"),),
        reference=options.letter(row, "answer", texts) if texts else row.text("answer"),
        category=row.text("subject"),
        facts={"options": texts, "level": f"level {level}"},
        difficulty=float(level) if level.replace(".", "", 1).isdecimal() else None,
    )


def mathvision_metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """Accuracy, by subject and by level."""
    return by_facts(rows, {"categories": category, "levels": fact("level")})


SUITES = (
    Suite(
        name="mathvista",
        title="MathVista",
        family="maths",
        measures="mathematics in figures, charts and scenes",
        paper="arXiv:2310.02255",
        needs="the testmini Parquet file of AI4Math/MathVista, or testmini.json with query.json and images/ as released",
        format="lmms-eval 0.7.3, tasks/mathvista; VLMEvalKit, vlmeval/dataset/utils/mathvista.py; lupantech/MathVista, data",
        primary="accuracy",
        load=or_release(mathvista, "*testmini.json", released.mathvista, "*testmini*.parquet", "*.parquet"),
        mark=mark_mathvista,
        metrics=mathvista_metrics,
        max_new_tokens=1024,
    ),
    Suite(
        name="mathverse",
        title="MathVerse",
        family="maths",
        measures="one problem in five versions, from text to figure",
        paper="arXiv:2403.14624",
        needs="the testmini Parquet file of AI4Math/MathVerse (or CaraJ/MathVerse-lmmseval), or testmini.json with images/",
        format="lmms-eval 0.7.3, tasks/mathverse",
        primary="accuracy",
        load=loader(mathverse, "*testmini*.parquet", "*.parquet", "*testmini.json"),
        mark=mark_free_or_option,
        metrics=mathverse_metrics,
        max_new_tokens=1024,
    ),
    Suite(
        name="mathvision",
        title="MathVision (MATH-V)",
        family="maths",
        measures="competitions, 16 subjects, 5 levels",
        paper="arXiv:2402.14804",
        needs="the test (or testmini) Parquet file of MathLLMs/MathVision, or test.jsonl with images/",
        format="lmms-eval 0.7.3, tasks/mathvision; data card of MathLLMs/MathVision",
        primary="accuracy",
        load=loader(mathvision, "*test-*.parquet", "*testmini*.parquet", "*.parquet", "*test.jsonl"),
        mark=mark_free_or_option,
        metrics=mathvision_metrics,
        max_new_tokens=2048,
    ),
)
