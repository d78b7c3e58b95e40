"""The report as one self-contained HTML file: styles, script, charts and pictures inside, nothing fetched."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ratchet.autonomy import LEVELS
from ratchet.errors import RoundError
from ratchet.filter.reasons import REASONS
from ratchet.report import (
    cells,
    charts,
    collection,
    collection_words,
    curves,
    organising_words,
    sentences,
    training_words,
    words,
)
from ratchet.report.payload import embedded, payload
from ratchet.report.svg import icon
from ratchet.report.view import Estimate, LoopView, ModelView, RoundView

# Field of ModelView, name, which way is better, what it is.
METRICS = (
    ("chair_i", "CHAIR_i", "lower is better", "mentioned objects that are not in the picture"),
    ("chair_s", "CHAIR_s", "lower is better", "captions with at least one such object"),
    ("cover", "Cover", "higher is better", "objects in the picture that are mentioned"),
    ("pope_accuracy", "POPE accuracy", "higher is better", "yes/no questions on whether an object is there"),
    ("pope_precision", "POPE precision", "higher is better", "of the answers yes, those that are right"),
    ("pope_recall", "POPE recall", "higher is better", "of the objects that are there, those found"),
    ("pope_f1", "POPE F1", "higher is better", "precision and recall in one"),
    ("yes_ratio", "Yes ratio", "near the true share is better", "share of answers that say yes"),
    ("pass_at_k", "pass@k", "higher is better", "right at least once in k samples: diversity"),
    ("unparsed", "Unparsed", "lower is better", "answers that no verifier could read"),
    ("clipped", "Clipped", "lower is better", "answers cut at the token limit"),
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


def _page(
    template: str, view: LoopView, rounds: tuple[RoundView, ...], compared: Comparison | None, **more: Any
) -> str:
    style, script = _static("report.css"), _static("gallery.js")
    return (
        _environment()
        .get_template(template)
        .render(
            view=view,
            rounds=rounds,
            compared=compared,
            metrics=METRICS,
            style=Markup(style),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            payload=payload(view.gallery),
            **more,
        )
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
        )
    known = (round_comparison(r) for r in reversed(view.rounds))
    return next((c for c in known if c is not None), None)


def round_comparison(shown: RoundView) -> Comparison | None:
    if shown.champion is None or shown.candidate is None:
        return None
    where = f"on the holdout items of round {shown.number}, which the gate read"
    return Comparison(shown.champion, shown.candidate, where, shown.delta, shown.skill_deltas)


def _static(name: str) -> str:
    return (files("ratchet.report") / "static" / name).read_text(encoding="utf-8")


def _shown(value: Any) -> Any:
    """What jinja does to every value before escaping it."""
    return words.printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _wrappable(text: str) -> Markup:
    """Text whose long names may break after an underscore, and nowhere else within a word."""
    return Markup("_<wbr>").join(words.printable(part) for part in text.split("_"))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("ratchet.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(say=sentences, words=words, charts=charts, cells=cells, icon=icon, curves=curves)
    environment.globals.update(collecting=collection, collected=collection_words, levels=LEVELS, families=FAMILIES)
    environment.globals.update(organised=organising_words, learned=training_words, REASONS=REASONS)
    environment.filters["embedded"] = embedded
    environment.filters["wrappable"] = _wrappable
    for name in (
        "percent",
        "points",
        "signed",
        "thousands",
        "duration",
        "probability",
        "rate_range",
        "delta_range",
        "items",
    ):
        environment.filters[name] = getattr(words, name)
    return environment
