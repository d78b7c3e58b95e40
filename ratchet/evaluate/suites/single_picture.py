"""Multiple choice over one picture: MMStar, SEED-Bench (its pictures), ScienceQA (IMG), AI2D, RealWorldQA.

Where lmms-eval 0.7.3 differs: SEED-Bench's answer is the reply's first character ("Because .." is B); ScienceQA takes "B" and "B. .." and
nothing else ("(B)" is wrong), AI2D the same but for punctuation ("The answer is B" is wrong). MMStar's average is there the mean over its
18 axes, which differ in size; the paper's is over items, which are as many in each of the six core capabilities. One reading serves
all here (suites.options), and the papers' averages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ratchet.evaluate.suites import options, released
from ratchet.evaluate.suites.base import Asked, Mark, Marked, Question, Suite, SuiteFigures
from ratchet.evaluate.suites.counting import accuracy, accuracy_by_category
from ratchet.evaluate.suites.folder import Folder, Row
from ratchet.evaluate.suites.released import or_release
from ratchet.evaluate.suites.tables import loader, numbered, unique
from ratchet.evaluate.suites.units import by_facts, category, fact, mean
from ratchet.verify.extract import UNPARSED, reading
from ratchet.verify.text import plain_words

SEED_TYPES = (
    "Scene Understanding", "Instance Identity", "Instance Attributes", "Instance Location", "Instances Counting",
    "Spatial Relation", "Instance Interaction", "Visual Reasoning", "Text Understanding",
)  # fmt: skip
"""Question types 1 to 9, which are of pictures; 10 to 12 are of videos (SEED-Bench.json, question_type)."""
SUBJECTS = {"natural science": "NAT", "social science": "SOC", "language science": "LAN"}


def mmstar(row: Row) -> Question:
    """index, question with its options in it, answer, category, l2_category, image; or VLMEvalKit's columns."""
    question = row.text("question").replace("<image 1>", "").strip()
    apart = options.apart(row)
    texts = options.columns(row, "ABCD") if apart else options.written(question)
    if not texts:
        raise row.problem("question lists no options (A: .., B: ..), and there is no column A")
    return Question(
        key=row.text("index"),
        text=options.asked(question, texts) if apart else f"{question}\n{options.DIRECT}",
        pictures=(row.picture("image"),),
        reference=options.letter(row, "answer", texts),
        category=row.text("category"),
        facts={"options": texts, "axis": row.text("l2_category", "l2-category")},
    )


def seed(row: Row) -> Question | None:
    """choice_a .. choice_d, data_type, question_type_id; or VLMEvalKit's columns, which are pictures alone."""
    if row.get("data_type", "image") != "image":
        return None
    apart = options.apart(row)
    texts = options.columns(row, "ABCD" if apart else ("choice_a", "choice_b", "choice_c", "choice_d"))
    return Question(
        key=row.text("question_id", "index"),
        text=options.asked(row.text("question"), texts),
        pictures=row.pictures("image"),
        reference=options.letter(row, "answer", texts),
        category=row.text("category") if apart else _seed_type(row),
        facts={"options": texts},
    )


def _seed_type(row: Row) -> str:
    said = row.text("question_type_id")
    if not said.isdecimal() or not 1 <= int(said) <= len(SEED_TYPES):
        raise row.problem(f"question_type_id is {said!r}, and those of pictures are 1 to {len(SEED_TYPES)}")
    return SEED_TYPES[int(said) - 1]


def load_seed(folder: Folder, parts: tuple[str, ...]) -> Iterator[Question]:
    """Parquet or TSV rows, or the original SEED-Bench.json with its pictures in SEED-Bench-image/."""
    if not folder.names("SEED-Bench.json"):
        yield from loader(seed, "*.parquet", "*.tsv")(folder, parts)
        return
    name = "SEED-Bench.json"
    found = folder.json(name)
    questions = found.get("questions") if isinstance(found, Mapping) else None
    if not isinstance(questions, list):
        raise Row(folder, name, 0, {}).problem("it has no list `questions`, which the published file has")
    rows = (Row(folder, name, number, values) for number, values in enumerate(questions, 1))
    yield from unique(rows, lambda row: [one for one in [seed(_with_picture(row))] if one])


def _with_picture(row: Row) -> Row:
    """data_id is the name of a file without an ending, as it lies in the archive."""
    if row.get("data_type") != "image":
        return row
    picture = row.folder.bytes(f"SEED-Bench-image/{row.text('data_id')}")
    return Row(row.folder, row.name, row.number, {**row.values, "image": picture})


def scienceqa(row: Row) -> Question | None:
    """question, choices, answer (an index), hint, subject, grade, image; in the release pid. Rows without a picture are not of the IMG part."""
    if row.get("image") is None and "image" in row.values:
        return None
    apart = options.apart(row)
    texts = options.columns(row, options.LETTERS[:5]) if apart else options.listed(row, "choices")
    hint = str(row.get("hint", "")).strip()
    question = f"Context: {hint}\n{row.text('question')}" if hint and hint != "nan" else row.text("question")
    subject = row.text("subject", "category")
    return Question(
        key=row.text("index", "pid") if apart or "pid" in row else numbered(row),
        text=options.asked(question, texts),
        pictures=(row.picture("image"),),
        reference=options.letter(row, "answer", texts) if apart else options.at_index(row, "answer", texts),
        category=SUBJECTS.get(subject, subject),
        facts={"options": texts, "grade": _grade(str(row.get("grade", "")))},
    )


def _grade(said: str) -> str | None:
    """The paper's two groups of grades."""
    number = said.removeprefix("grade")
    if not number.isdecimal():
        return None
    return "G1-6" if int(number) <= 6 else "G7-12"


def ai2d(row: Row) -> Question:
    """question, options, answer (an index, as text), image; or VLMEvalKit's columns."""
    apart = options.apart(row)
    texts = options.columns(row, "ABCD") if apart else options.listed(row, "options")
    return Question(
        key=row.text("index") if apart else numbered(row),
        text=options.asked(row.text("question"), texts),
        pictures=(row.picture("image"),),
        reference=options.letter(row, "answer", texts) if apart else options.at_index(row, "answer", texts),
        category=str(row.get("category", "diagrams")),
        facts={"options": texts},
    )


def realworldqa(row: Row) -> Question:
    """question with its options and its own instruction in it, answer, image; or VLMEvalKit's columns."""
    question = row.text("question")
    apart = options.apart(row)
    texts = options.columns(row, "ABCD") if apart else options.written(question)
    answer = row.text("answer")
    chooses = bool(texts) and len(answer) == 1 and answer.isalpha()
    return Question(
        key=row.text("index") if "index" in row else numbered(row),
        text=options.asked(question, texts) if apart else question,
        pictures=(row.picture("image"),),
        reference=options.letter(row, "answer", texts) if chooses else answer,
        category="choice" if chooses else "word",
        facts={"options": texts if chooses else []},
    )


def mark_realworldqa(item: Asked, answer: str) -> Mark:
    """An option, or else the same words or number: articles, punctuation and "two" for "2" do not count."""
    if item.facts["options"]:
        return options.mark(item, answer)
    said = plain_words(reading(answer) or "")
    return Mark(float(said == plain_words(item.reference or "")), said) if said else Mark(0.0, None, UNPARSED)


def mmstar_metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """Accuracy, by core capability and by axis; `axes_mean` is lmms-eval's average."""
    found = by_facts(rows, {"categories": category, "axes": fact("axis")})
    axes = found["axes"]
    return {**found, "axes_mean": mean(axes.values()) if isinstance(axes, dict) else None}


def scienceqa_metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """Accuracy, by subject and by the paper's groups of grades."""
    return by_facts(rows, {"categories": category, "grades": fact("grade")})


TOOLKIT = "VLMEvalKit, vlmeval/dataset/image_mcq.py"
SUITES = (
    Suite(
        name="mmstar",
        title="MMStar",
        family="knowledge",
        measures="six core capabilities that need the picture",
        paper="arXiv:2403.20330",
        needs="the Parquet file of Lin-Chen/MMStar, or VLMEvalKit's MMStar.tsv",
        format=f"lmms-eval 0.7.3, tasks/mmstar; {TOOLKIT}",
        primary="accuracy",
        load=loader(mmstar, "*.parquet", "*.tsv"),
        mark=options.mark,
        metrics=mmstar_metrics,
    ),
    Suite(
        name="seed",
        title="SEED-Bench (pictures)",
        family="knowledge",
        measures="nine kinds of understanding of pictures",
        paper="arXiv:2307.16125",
        needs="the Parquet files of lmms-lab/SEED-Bench, VLMEvalKit's SEEDBench_IMG.tsv, or SEED-Bench.json and SEED-Bench-image/",
        format=f"lmms-eval 0.7.3, tasks/seedbench; {TOOLKIT}; AILab-CVC/SEED-Bench",
        primary="accuracy",
        load=load_seed,
        mark=options.mark,
        metrics=accuracy_by_category,
    ),
    Suite(
        name="scienceqa",
        title="ScienceQA (IMG)",
        family="knowledge",
        measures="school science with a picture",
        paper="arXiv:2209.09513",
        needs="problems.json with test/ as released; the Parquet file of lmms-lab/ScienceQA, ScienceQA-IMG test; or VLMEvalKit's ScienceQA_TEST.tsv",
        format=f"lmms-eval 0.7.3, tasks/scienceqa; {TOOLKIT}; lupantech/ScienceQA, data/scienceqa",
        primary="accuracy",
        load=or_release(
            scienceqa,
            "*problems.json",
            released.scienceqa,
            "*IMG/test*.parquet",
            "*test*.parquet",
            "*TEST*.tsv",
            "*.parquet",
            "*.tsv",
        ),
        mark=options.mark,
        metrics=scienceqa_metrics,
    ),
    Suite(
        name="ai2d",
        title="AI2D",
        family="knowledge",
        measures="school diagrams",
        paper="arXiv:1603.07396",
        needs="the Parquet files of lmms-lab/ai2d, or VLMEvalKit's AI2D_TEST.tsv",
        format=f"lmms-eval 0.7.3, tasks/ai2d; {TOOLKIT}",
        primary="accuracy",
        load=loader(ai2d, "*test*.parquet", "*TEST*.tsv", "*.parquet", "*.tsv"),
        mark=options.mark,
        metrics=accuracy,
    ),
    Suite(
        name="realworldqa",
        title="RealWorldQA",
        family="spatial",
        measures="scenes as a driver or a walker sees them",
        paper="x.ai/news/grok-1.5v",
        needs="the Parquet files of lmms-lab/RealWorldQA (or xai-org/RealworldQA), or VLMEvalKit's RealWorldQA.tsv",
        format=f"lmms-eval 0.7.3, tasks/realworldqa; {TOOLKIT}",
        primary="accuracy",
        load=loader(realworldqa, "*test*.parquet", "*.parquet", "*.tsv"),
        mark=mark_realworldqa,
        metrics=accuracy_by_category,
    ),
)
