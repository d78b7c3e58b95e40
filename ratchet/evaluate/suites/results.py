"""What is kept of a suite beside the outcomes: figures of each model, their difference, and what a reader must be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ratchet.evaluate import metrics
from ratchet.evaluate.counts import DIGITS
from ratchet.evaluate.outcomes import Outcome
from ratchet.evaluate.suites.base import Suite
from ratchet.evaluate.suites.figures import Measured, delta, figures, primary

LOUD = 0.5
"""From this share on it is told that answers could not be read, or not be scored."""


def of_model(measured: Measured, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The suite's figures of one model with the primary one's `interval`, and how it answered: `rates`."""
    n, scored = len(outcomes), sum(o.score is not None for o in outcomes)
    rates = {
        "unparsed": _share(sum(o.unparsed for o in outcomes), scored),
        "clipped": _share(sum(o.clipped for o in outcomes), n),
        "unscored": _share(sum(o.score is None for o in outcomes), n),
        "tokens": _share(sum(o.tokens for o in outcomes), n),
    }
    sampled = metrics.sampled(outcomes)
    return {**figures(measured), "rates": rates, "sampled": None if sampled is None else sampled.model_dump()}


def described(suite: Suite, digest: str, items: int, judge: dict[str, Any] | None) -> dict[str, Any]:
    """What the figures are of."""
    return {
        "digest": digest,
        "title": suite.title,
        "measures": suite.measures,
        "primary": suite.primary,
        "higher": suite.higher,
        "top": suite.top,
        "items": items,
        "judge": judge,
    }


def of_both(
    candidate: Measured, champion: Measured, ours: Sequence[Outcome], theirs: Sequence[Outcome]
) -> dict[str, Any]:
    """`candidate`, `champion`, the paired `delta` of the primary figure (None: not to be had), and `notes` in words."""
    found = {"candidate": of_model(candidate, ours), "champion": of_model(champion, theirs)}
    told = [note for role, figures_ in found.items() for note in notes(candidate.suite, role, figures_)]
    return {**found, "delta": delta(candidate, champion), "notes": told}


def notes(suite: Suite, who: str, found: dict[str, Any]) -> list[str]:
    """What must not be overlooked in a model's figures."""
    rates, told = found["rates"], []
    of = f"{suite.title}, {who}"
    if rates["unscored"] == 1:
        told.append(f"{of}: no answer could be scored, so there are no figures. Look at the reasons in the outcomes.")
    elif rates["unparsed"] == 1:
        told.append(
            f"{of}: not one answer could be read, so the figures say nothing of what the model knows. Look at its answers: "
            "another prompt, more max_new_tokens or another model may be needed."
        )
    for name, words in (
        ("unparsed", "could not be read"),
        ("unscored", "could not be scored"),
        ("clipped", "were cut"),
    ):
        rate = rates[name] or 0.0
        if LOUD <= rate < 1 or (name == "clipped" and rate == 1):
            told.append(f"{of}: {rate:.0%} of the answers {words}.")
    if primary(suite, found) is None and rates["unscored"] != 1:
        told.append(f"{of}: {suite.primary} is not defined on these items.")
    return told


def _share(part: float, whole: int) -> float:
    return round(part / whole, DIGITS) if whole else 0.0
