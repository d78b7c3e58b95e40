"""The suites of a round: opened with their judges, and their results once both models have answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from ratchet.evaluate.contamination import contaminated, in_words
from ratchet.evaluate.inputs import check, prepared
from ratchet.evaluate.outcomes import ModelRole
from ratchet.evaluate.suites import results
from ratchet.evaluate.suites.asking import Exam, Sitting
from ratchet.evaluate.suites.figures import Measured, delta, figures, primary
from ratchet.evaluate.suites.preparing import Prepared
from ratchet.evaluate.suites.running import marking
from ratchet.generate.sampling import derived_seed
from ratchet.promptset import open_part
from ratchet.recipe import EvaluateConfig
from ratchet.stage import StageContext
from ratchet.verify.judges import Spending
from ratchet.verify.tools import Tools

Sittings = Mapping[ModelRole, Sitting]


@contextmanager
def exams(context: StageContext, spending: Spending) -> Iterator[list[Exam]]:
    """The round's suites, each with who marks it and what the pool shows of it. Raises RecipeError, FileProblem and VerifierUnavailable."""
    check(context.round.recipe)
    config: EvaluateConfig = context.config
    with ExitStack() as stack:
        yield [_exam(context, stack, chosen_index, spending) for chosen_index in range(len(config.suites))]


def _exam(context: StageContext, stack: ExitStack, index: int, spending: Spending) -> Exam:
    chosen = context.config.suites[index]
    found = prepared(context.store, context.round, chosen)
    marker = stack.enter_context(marking(found, chosen, lambda: _tools(context, found, spending)))
    return Exam(found, chosen, marker, _shown(context, found))


def _shown(context: StageContext, found: Prepared) -> Mapping[str, str] | None:
    """Looked for before anything is asked: no answer can change which items count."""
    config: EvaluateConfig = context.config
    if config.contamination is None:
        return None
    with context.clock("contamination"):
        return contaminated(found, open_part(context.store, context.pool_set(), "pool"), config.contamination)


def _tools(context: StageContext, found: Prepared, spending: Spending) -> Tools:
    opened = context.round
    draw = derived_seed(opened.salt, "evaluate", "judge")
    return Tools(
        context.store, found.bank, opened.seed, opened.recipe.verify.judges, opened.models, draw, spending=spending
    )


def summary(exam: Exam, sittings: Sittings) -> dict[str, Any]:
    """A suite's results: both models' figures, their difference, and all of it without what the pool shows."""
    candidate, champion = (sittings[role].measured() for role in ("candidate", "champion"))
    told = results.described(exam.prepared.suite, exam.prepared.digest, exam.items, exam.marker.identity)
    both = results.of_both(
        candidate, champion, list(sittings["candidate"].outcomes()), list(sittings["champion"].outcomes())
    )
    return {**told, **both, "contamination": _contamination(exam, candidate, champion)}


def _contamination(exam: Exam, candidate: Measured, champion: Measured) -> dict[str, Any] | None:
    """Share of items that the pool shows; the primary figure `without` them. None where it was not looked for."""
    shown = exam.shown
    if shown is None:
        return None
    return {**in_words(shown, exam.items), "without": _without(candidate, champion, shown) if shown else None}


def _without(candidate: Measured, champion: Measured, shown: Mapping[str, str]) -> dict[str, Any] | None:
    """None where the pool shows an item of each unit: nothing is left to measure."""
    tainted = {row.unit for row in champion.rows if row.key in shown and row.unit is not None}
    ours, theirs = (
        replace(side, rows=[row for row in side.rows if row.key not in shown and row.unit not in tainted])
        for side in (candidate, champion)
    )
    if not ours.rows:
        return None
    return {
        "items": len(ours.rows),
        "candidate": _of(ours),
        "champion": _of(theirs),
        "delta": delta(ours, theirs),
    }


def _of(measured: Measured) -> dict[str, Any]:
    found = figures(measured)
    return {measured.suite.primary: primary(measured.suite, found), "interval": found["interval"]}
