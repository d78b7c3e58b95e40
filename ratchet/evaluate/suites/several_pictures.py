"""Several pictures: BLINK, MuirBench, MIRB, Mantis-Eval. Marks of pictures in a question become "[Image 1]", "[Image 2]".

BLINK's figure is the mean over its 14 subtasks, as its own script has it. Where lmms-eval 0.7.3 differs: MuirBench's and MIRB's options count
only as "B" or "B. .."; Mantis-Eval takes the reply's first letter of any word for the option ("I think .." is I, "Because" is B) and puts
Python's notation of the options in the prompt; MIRB counts an open answer right whose text holds the reference anywhere ("cathedral" for
"cat"). One reading of options serves all here, and words are compared whole (suites.open_answers).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial

from ratchet.evaluate.suites import open_answers, options, released
from ratchet.evaluate.suites.base import Asked, Mark, Marked, Question, Suite, SuiteFigures
from ratchet.evaluate.suites.counting import accuracy_by_category
from ratchet.evaluate.suites.folder import Row
from ratchet.evaluate.suites.released import or_release
from ratchet.evaluate.suites.tables import loader
from ratchet.evaluate.suites.units import by_facts, category, fact, mean

SUBTASKS = (
    "Art_Style", "Counting", "Forensic_Detection", "Functional_Correspondence", "IQ_Test", "Jigsaw", "Multi-view_Reasoning",
    "Object_Localization", "Relative_Depth", "Relative_Reflectance", "Semantic_Correspondence", "Spatial_Relation",
    "Visual_Correspondence", "Visual_Similarity",
)  # fmt: skip
DIMENSIONS = {
    "food": "Knowledge", "sightseeing": "Knowledge", "codeu": "Reasoning", "plot_code": "Reasoning", "analogy": "Reasoning",
    "3d_scene": "Reasoning", "image_jigsaw": "Perception", "count": "Perception", "attribute": "Perception",
    "visual_chain": "Multi-Hop", "arxiv": "Multi-Hop",
}  # fmt: skip
_WORD = "Answer with a single word."
_SYMBOL = "Answer with the option symbol."
INSTRUCTIONS = {
    "analogy": _WORD, "attribute": _WORD, "plot_code": _WORD, "visual_chain": _WORD, "sightseeing": _WORD,
    "codeu": _SYMBOL, "food": _SYMBOL, "image_jigsaw": _SYMBOL, "arxiv": "Answer with the paper title.",
    "count": "Answer with a single number.",
    "3d_scene": "The following images are different views of the same 3D scene. Answer with a single number.",
}  # fmt: skip
MIRB_OPTIONS = 5
FINAL = 'You can first give your analysis, and then give your final answer as "Final Answer:"'
_FINAL = re.compile(r"final answer\s?:|the answer is\s?:?|\banswer\s?:", re.IGNORECASE)
_LEAD = re.compile(r"\(?[A-Z][).:]\s*")


def blink(row: Row) -> Question:
    """idx, sub_task, prompt with its choices in it, choices, answer "(A)", image_1 .. image_4."""
    texts = options.listed(row, "choices")
    pictures = tuple(row.picture(name) for name in ("image_1", "image_2", "image_3", "image_4") if name in row)
    if not pictures:
        raise row.problem("no image_1, which the published format has")
    return Question(
        key=row.text("idx"),
        text=f"{options.placed(row.text('prompt'))}\n{options.DIRECT}",
        pictures=pictures,
        reference=options.letter(row, "answer", texts),
        category=row.text("sub_task"),
        facts={"options": texts},
    )


def blink_metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """`average` over subtasks; `accuracy` over items."""
    found = accuracy_by_category(rows)
    parts = found["categories"]
    return {"average": mean(parts.values()) if isinstance(parts, dict) else None, **found}


def muirbench(row: Row) -> Question:
    """idx, task, question, options, answer, image_list, image_relation, image_type."""
    texts = options.listed(row, "options")
    whole = options.placed(options.asked(row.text("question"), texts))
    return Question(
        key=row.text("idx"),
        text=whole,
        pictures=row.pictures("image_list"),
        reference=options.letter(row, "answer", texts),
        category=row.text("task"),
        facts={
            "options": texts,
            "relation": str(row.get("image_relation", "")),
            "kind": str(row.get("image_type", "")),
        },
    )


def muirbench_metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """Accuracy, by task, by how the pictures relate and by what they are."""
    return by_facts(rows, {"categories": category, "relations": fact("relation"), "kinds": fact("kind")})


def mirb(row: Row) -> Question:
    """question_id, subset, questions, answers, image_list. Answers of one letter are of options that the question lists."""
    subset = row.choice("subset", tuple(INSTRUCTIONS))
    question, answer = row.text("questions"), row.text("answers")
    chooses = INSTRUCTIONS[subset] == _SYMBOL and len(answer) == 1 and answer.isalpha()
    texts = options.written(question) or [""] * MIRB_OPTIONS if chooses else []
    return Question(
        key=f"{subset}-{row.text('question_id')}",
        text=options.placed(f"{INSTRUCTIONS[subset]}\n{question}"),
        pictures=row.pictures("image_list"),
        reference=options.letter(row, "answers", texts) if chooses else answer,
        category=subset,
        facts={"options": texts},
    )


def mark_mirb(item: Asked, answer: str) -> Mark:
    """An option where the subset asks for one, else an open answer."""
    return options.mark(item, answer) if item.facts["options"] else open_answers.mark(item, answer)


def mirb_metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """Accuracy by subset, and the four dimensions as means of their subsets."""
    found = accuracy_by_category(rows)
    parts = found["categories"]
    known = parts if isinstance(parts, dict) else {}
    names = dict.fromkeys(DIMENSIONS.values())
    dimensions = {name: [known[part] for part in known if DIMENSIONS[part] == name] for name in names}
    return {**found, "dimensions": {name: mean(of) for name, of in dimensions.items() if of}}


def mantis(row: Row) -> Question:
    """id, question_type, question, options ("(A) .."), images, answer, category."""
    kind = row.choice("question_type", ("multi-choice", "short-answer"))
    question = options.placed(row.text("question"))
    chooses = kind == "multi-choice"
    texts = [_LEAD.sub("", text, count=1) for text in options.listed(row, "options")] if chooses else []
    short = f"Given the images, answer the following short answer vqa question:\nQ: {question}\n{FINAL}"
    return Question(
        key=row.text("id"),
        text=options.asked(question, texts) if chooses else short,
        pictures=row.pictures("images"),
        reference=options.letter(row, "answer", texts) if chooses else row.text("answer"),
        category=str(row.get("category", kind)),
        facts={"options": texts, "kind": kind},
    )


def mark_mantis(item: Asked, answer: str) -> Mark:
    """An option, or the words after "Final Answer:"."""
    if item.facts["options"]:
        return options.mark(item, answer)
    return open_answers.same_words(item, _FINAL.split(answer)[-1])


def mantis_metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """Accuracy, by category and by type of question."""
    return by_facts(rows, {"categories": category, "kinds": fact("kind")})


SUITES = (
    Suite(
        name="blink",
        title="BLINK",
        family="multi-image",
        measures="14 tasks that people solve within a blink",
        paper="arXiv:2404.12390",
        needs="the validation Parquet files of BLINK-Benchmark/BLINK, one folder a subtask",
        format="lmms-eval 0.7.3, tasks/blink",
        primary="average",
        load=loader(blink, "*val*.parquet", "*.parquet", part=lambda question: question.category),
        mark=options.mark,
        metrics=blink_metrics,
        parts=SUBTASKS,
    ),
    Suite(
        name="muirbench",
        title="MuirBench",
        family="multi-image",
        measures="12 tasks over several pictures, some without an answer",
        paper="arXiv:2406.09411",
        needs="the Parquet files of MUIRBENCH/MUIRBENCH (test)",
        format="lmms-eval 0.7.3, tasks/muirbench",
        primary="accuracy",
        load=loader(muirbench, "*test*.parquet", "*.parquet"),
        mark=options.mark,
        metrics=muirbench_metrics,
    ),
    Suite(
        name="mirb",
        title="MIRB",
        family="multi-image",
        measures="knowledge, reasoning, perception and hops over several pictures",
        paper="arXiv:2406.12742",
        needs="the Parquet files of VLLMs/MIRB-hf (test), or the JSON files and pictures of VLLMs/MIRB",
        format="lmms-eval 0.7.3, tasks/mirb; ys-zong/MIRB, utils/utils.py",
        primary="accuracy",
        load=or_release(
            mirb, "*.json", partial(released.mirb, subsets=tuple(INSTRUCTIONS)), "*test*.parquet", "*.parquet"
        ),
        mark=mark_mirb,
        metrics=mirb_metrics,
        max_new_tokens=64,
    ),
    Suite(
        name="mantis",
        title="Mantis-Eval",
        family="multi-image",
        measures="questions over several pictures",
        paper="arXiv:2405.01483",
        needs="the Parquet files of TIGER-Lab/Mantis-Eval (test)",
        format="lmms-eval 0.7.3, tasks/mantis",
        primary="accuracy",
        load=loader(mantis, "*test*.parquet", "*.parquet"),
        mark=mark_mantis,
        metrics=mantis_metrics,
        max_new_tokens=256,
    ),
)
