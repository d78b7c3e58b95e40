"""The report as one self-contained HTML file: styles, script, charts and pictures inside, nothing fetched.

Other pages take the reports' shell and style from `page`, and templates with their filters from `fragment`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from markupsafe import Markup

from ratchet.autonomy import LEVELS
from ratchet.errors import RoundError
from ratchet.filter.reasons import REASONS
from ratchet.report import (
    charts,
    collection,
    collection_words,
    curves,
    lineage,
    organising_words,
    people_words,
    sentences,
    training_words,
    words,
)
from ratchet.report.page import environment, fragment, page, render_template, static
from ratchet.report.payload import embedded, payload
from ratchet.report.view import Estimate, LoopView, ModelView, RoundView

__all__ = ["fragment", "page", "render", "render_round"]


class Metric(NamedTuple):
    """A field of ModelView, its name, what it is, and which way is better."""

    field: str
    title: str
    means: str
    better: str


METRICS = (
    Metric("chair_i", "CHAIR_i", "mentioned objects that are not in the picture", "lower is better"),
    Metric("chair_s", "CHAIR_s", "captions with at least one such object", "lower is better"),
    Metric("cover", "Cover", "objects in the picture that are mentioned", "higher is better"),
    Metric("pope_accuracy", "POPE accuracy", "yes/no questions on whether an object is there", "higher is better"),
    Metric("pope_precision", "POPE precision", "of the answers yes, those that are right", "higher is better"),
    Metric("pope_recall", "POPE recall", "of the objects that are there, those found", "higher is better"),
    Metric("pope_f1", "POPE F1", "precision and recall in one", "higher is better"),
    Metric("yes_ratio", "Yes ratio", "share of answers that say yes", "near the true share is better"),
    Metric("pass_at_k", "pass@k", "right at least once in k samples: diversity", "higher is better"),
    Metric("mean_correct", "Samples right", "of the sampled answers, those that are right", "higher is better"),
    Metric(
        "distinct",
        "Distinct answers",
        "different texts among k samples of a prompt",
        "near 1, the model says the same each time",
    ),
    Metric("unparsed", "Unparsed", "answers that no verifier could read", "lower is better"),
    Metric("clipped", "Clipped", "answers cut at the token limit", "lower is better"),
)
# Family of specimens, title, what its rows show.
FAMILIES = (
    ("negative", "Negatives", "each beside what it was made from"),
    ("guided", "Guided answers", "with what the model was really shown"),
    ("question", "Questions", "that the model made, and why some were refused"),
)


@dataclass(frozen=True)
class Comparison:
    """Two models on the same items: seed and champion on the report split, or champion and candidate in a round."""

    left: ModelView
    right: ModelView
    where: str
    overall: Estimate | None = None
    deltas: Mapping[str, Estimate] = field(default_factory=dict)
    changes: Mapping[str, Estimate] = field(default_factory=dict)

    @property
    def skills(self) -> list[str]:
        return list(dict.fromkeys([*self.left.per_skill, *self.right.per_skill]))


def render(view: LoopView) -> str:
    """The whole loop as one HTML page."""
    return _page("loop.html.j2", view, view.rounds, loop_comparison(view), headline=sentences.headline(view))


def render_round(view: LoopView, number: int) -> str:
    """One round as one HTML page. Raises RoundError when the loop has no such round."""
    shown = next((r for r in view.rounds if r.number == number), None)
    if shown is None:
        known = words.listed([str(r.number) for r in view.rounds]) or "none"
        raise RoundError(f"loop {view.loop} has no round {number} to report; its rounds: {known}.")
    only = view.model_copy(
        update={"rounds": (shown,), "gallery": tuple(i for i in view.gallery if i.round == number), "controls": ()}
    )
    heading = sentences.round_headline(shown)
    return _page("round.html.j2", only, (shown,), round_comparison(shown), headline=heading, round=shown)


def round_part(template: str, shown: RoundView) -> Markup:
    """A part of a round's page alone, as it stands in the whole one."""
    _add_words()
    return fragment(template, round=shown, rounds=(shown,))


def _page(
    template: str, view: LoopView, rounds: tuple[RoundView, ...], compared: Comparison | None, **more: Any
) -> str:
    _add_words()
    return render_template(
        template,
        script=static("gallery.js"),
        view=view,
        rounds=rounds,
        compared=compared,
        metrics=METRICS,
        payload=payload(view.gallery),
        **more,
    )


def loop_comparison(view: LoopView) -> Comparison | None:
    """Seed and champion on the report split; before it has been read, the newest round that was measured."""
    if view.seed is not None and view.final is not None:
        where = "on the report items, which no decision has read"
        champion = view.champion
        return Comparison(
            view.seed,
            view.final,
            where,
            champion.delta_to_seed if champion else None,
            champion.skill_deltas if champion else {},
            champion.changes if champion else {},
        )
    known = (round_comparison(r) for r in reversed(view.rounds))
    return next((c for c in known if c is not None), None)


def round_comparison(shown: RoundView) -> Comparison | None:
    if shown.champion is None or shown.candidate is None:
        return None
    where = f"on the holdout items of round {shown.number}, which the gate read"
    return Comparison(shown.champion, shown.candidate, where, shown.delta, shown.skill_deltas, shown.changes)


@cache
def _add_words() -> None:
    """What the reports' templates call, beside what every page has."""
    made = environment()
    made.globals.update(say=sentences, charts=charts, curves=curves, lineage=lineage)
    made.globals.update(collecting=collection, collected=collection_words, levels=LEVELS, families=FAMILIES)
    made.globals.update(organised=organising_words, learned=training_words, REASONS=REASONS)
    made.globals.update(people=people_words)
    made.filters["embedded"] = embedded
