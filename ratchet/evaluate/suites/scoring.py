"""Score a file of stored answers to a suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ratchet.evaluate.suites import results
from ratchet.evaluate.suites.catalogue import suite as suite_of
from ratchet.evaluate.suites.figures import figures
from ratchet.evaluate.suites.predictions import PredictionsProblem, measured, read, told_of_origin
from ratchet.evaluate.suites.preparing import Origin, survey
from ratchet.recipe import SuiteConfig


def score_file(chosen: SuiteConfig, file: Path, salt: str = "") -> dict[str, Any]:
    """Figures of the answers in `file` to the questions of a suite. Raises PredictionsProblem where they do not fit together."""
    origin = Origin(suite_of(chosen.name), chosen, salt, "report")
    suite = origin.suite
    said = read(file)
    found = survey(origin)
    scored = measured(suite, found.digest, told_of_origin(origin, found), said)
    rows = scored.rows
    unparsed = sum(row.mark.said is None and row.mark.score is not None for row in rows)
    unscored = sum(row.mark.score is None for row in rows)
    # Where an answer was cut is not in the file.
    rates = {"unparsed": unparsed / max(len(rows) - unscored, 1), "unscored": unscored / len(rows), "clipped": None}
    try:
        told = {**figures(scored), "rates": rates}
    except KeyError as missing:
        raise PredictionsProblem(
            f"{file}: the figures of {suite.title} need {missing} of each answer, which its rows do not give; add a column counts, "
            f"as `ratchet evaluate suite {suite.name} --predictions` writes it."
        ) from missing
    judge = None if suite.judged is None else {"given": file.name}
    described = results.described(suite, found.digest, len(rows), judge)
    return {"suite": suite.name, **described, "figures": told, "notes": results.notes(suite, file.name, told)}
