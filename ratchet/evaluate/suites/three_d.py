"""3DSRBench: relations in space, asked with rotated options and of the mirrored picture (Ma et al. 2024).

A question's rows are `<qid>`, `<qid>-<turn>`, `<qid>-flip` and `<qid>-flip-<turn>`. CircularEval asks for all turns of one view,
FlipEval for both views of one turn, and the benchmark's figure for all of them. lmms-eval 0.7.3 tells questions apart by the first eight
characters of the qid, which holds for the published ids alone; here the endings are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ratchet.evaluate.suites import options
from ratchet.evaluate.suites.base import Marked, Question, Suite, SuiteFigures
from ratchet.evaluate.suites.counting import accuracy
from ratchet.evaluate.suites.folder import Row
from ratchet.evaluate.suites.tables import loader
from ratchet.evaluate.suites.units import by_facts, category, together

GROUPS = {
    "height_higher": "height",
    "location_above": "location",
    "location_closer_to_camera": "location",
    "location_next_to": "location",
    "orientation_in_front_of": "orientation",
    "orientation_on_the_left": "orientation",
    "orientation_viewpoint": "orientation",
    "multi_object_closer_to": "multi_object",
    "multi_object_facing": "multi_object",
    "multi_object_viewpoint_towards_object": "multi_object",
    "multi_object_parallel": "multi_object",
    "multi_object_same_direction": "multi_object",
}
_QID = re.compile(r"(.+?)(-flip)?(?:-(\d+))?")


def read(row: Row) -> Question:
    """qid (or index), question, A..D, answer, category, image."""
    qid = row.text("qid", "index")
    texts = options.columns(row, "ABCD")
    kind = row.text("category")
    if kind not in GROUPS:
        raise row.problem(f"category is {kind!r}, and must be one of {', '.join(GROUPS)}")
    base, flipped, turn = _parsed(qid)
    return Question(
        key=qid,
        text=options.asked(row.text("question"), texts),
        pictures=(row.picture("image"),),
        reference=options.letter(row, "answer", texts),
        category=kind,
        unit=base,
        facts={"options": texts, "flip": flipped, "turn": turn},
        cluster=base,
    )


def _parsed(qid: str) -> tuple[str, bool, int]:
    match = _QID.fullmatch(qid)
    return (match[1], match[2] is not None, int(match[3] or 0)) if match else (qid, False, 0)


def metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """`flip_circular` of all views and turns, by group and by category; with the looser figures beside it."""
    every = list(rows)
    facets = {"groups": lambda row: GROUPS[row.category], "categories": category}
    strict = by_facts(every, facets, together)
    return {
        "flip_circular": strict.pop("accuracy"),
        "circular": together(every, lambda row: (row.unit, row.facts["flip"]))["accuracy"],
        "flip": together(every, lambda row: (row.unit, row.facts["turn"]))["accuracy"],
        "vanilla": accuracy(every)["accuracy"],
        **strict,
        "items": len(every),
        "unparsed": accuracy(every)["unparsed"],
    }


SUITES = (
    Suite(
        name="3dsrbench",
        title="3DSRBench",
        family="spatial",
        measures="relations in three dimensions, circular and mirrored",
        paper="arXiv:2412.07825",
        needs="3dsrbench_v1_vlmevalkit_circular.tsv of ccvl/3DSRBench, or the Parquet files of 3dsr_circular",
        format="lmms-eval 0.7.3, tasks/3dsrbench; VLMEvalKit's columns",
        primary="flip_circular",
        load=loader(read, "*circular*.tsv", "*circular*.parquet", "*.parquet", "*.tsv"),
        mark=options.mark,
        metrics=metrics,
    ),
)
