"""HallusionBench: yes/no questions about illusions and edited charts (Guan et al. 2024, CVPR, arXiv:2310.14566).

aAcc is the share of right answers, qAcc that of questions answered rightly about each of their pictures, fAcc that of pictures
about which each question is answered rightly. Asked are the questions with a picture; the 178 without one measure no vision.

The paper lets GPT-4 say whether an answer is right. Every question is one of yes or no, so we ask for one of them and read it:
no judge, no price, the same number each time. From right and wrong on we count as lmms-eval 0.7.3 and the repository do, and a
test has it. lmms-eval's own reading without a judge takes whatever has no "yes" in it for a no, so that "I cannot tell" is
right for half of the questions; ours is unparsed, and wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from ratchet.evaluate.suites.answers import yes_no_mark
from ratchet.evaluate.suites.base import Marked, Question, Suite, SuiteFigures
from ratchet.evaluate.suites.counting import accuracy, all_right, by_category
from ratchet.evaluate.suites.folder import Folder
from ratchet.evaluate.suites.pictures import pictures_in

ASK = "\nPlease answer yes or no."
PARTS = ("VD", "VS")
NO_PICTURE = "0"
ANSWERS = {"0": "no", "1": "yes"}
FIGURE = "figure"


def load(folder: Folder, parts: tuple[str, ...]) -> Iterator[Question]:
    """Rows of HallusionBench.json, or of the Hugging Face set's split `image`: the same fields and an encoded picture."""
    names = folder.find("*image-*.parquet", "*.parquet", "*HallusionBench.json", "*.jsonl")
    pictures = pictures_in(folder)
    for row in folder.rows(*(name for name in names if "non_image" not in name)):
        part = row.text("category").upper()
        if part not in PARTS:
            raise row.problem(f"category is {part!r}, and must be VD (visual dependent) or VS (visual supplement)")
        if row.text("visual_input") == NO_PICTURE or part not in (parts or PARTS):
            continue
        group = "_".join((part, row.text("subcategory"), row.text("set_id")))
        figure, question = row.text("figure_id"), row.text("question_id")
        yield Question(
            key=f"{group}_{figure}_{question}",
            text=row.text("question") + ASK,
            pictures=(pictures.of(row, "image", "filename"),),
            reference=ANSWERS[row.choice("gt_answer", tuple(ANSWERS))],
            category=part,
            unit=f"{group}_q{question}",
            facts={FIGURE: f"{group}_f{figure}", "subcategory": row.text("subcategory")},
            cluster=group,
        )


def metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """Of all items, of both parts and of each subcategory."""
    every = list(rows)
    kinds: dict[str, list[Marked]] = defaultdict(list)
    for row in every:
        kinds[str(row.facts["subcategory"])].append(row)
    return {
        **by_category(every, _figures),
        "subcategories": {name: _figures(part) for name, part in sorted(kinds.items())},
    }


def _figures(rows: Iterable[Marked]) -> SuiteFigures:
    every = list(rows)
    plain = accuracy(every)
    return {
        "aAcc": plain["accuracy"],
        "qAcc": all_right(every, lambda row: row.unit)["share"],
        "fAcc": all_right(every, lambda row: row.facts[FIGURE])["share"],
        **{name: plain[name] for name in ("items", "unscored", "unparsed")},
    }


SUITES = (
    Suite(
        name="hallusionbench",
        title="HallusionBench",
        family="hallucination",
        measures="language hallucination and visual illusion, in pairs",
        paper="arXiv:2310.14566",
        needs="HallusionBench.json with the folder of its pictures, or the Parquet files of lmms-lab/HallusionBench",
        format="lmms-eval 0.7.3, tasks/hallusion_bench; tianyi-lab/HallusionBench, utils.py",
        primary="aAcc",
        load=load,
        mark=yes_no_mark,
        metrics=metrics,
        parts=PARTS,
    ),
)
