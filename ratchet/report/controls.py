"""The control arms of a loop, as the report shows them beside the champion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratchet import canonical
from ratchet.errors import NotFound
from ratchet.report.measured import delta_view, model_view
from ratchet.report.view import ControlView
from ratchet.rounds import loop_prefix
from ratchet.store import Store

TITLES: Mapping[str, tuple[str, str]] = {
    "labels": (
        "labels again",
        "The seed's own labelled rows, trained for as many SFT visits as the champion: a gain here would be leftover training.",
    ),
    "no_verifier": (
        "no verifier",
        "The first sample of every prompt, unchecked: a gain here would mean that checking does not matter.",
    ),
    "gold": (
        "gold labels",
        "The pool's true answers: an upper bound. A rule verifier knows what a labeller knows; the gain comes from checked answers.",
    ),
}


def controls(store: Store, loop: str, results: Mapping[str, Any]) -> tuple[ControlView, ...]:
    try:
        judged = canonical.loads(store.get(f"{loop_prefix(loop)}/controls/results.json"))
    except NotFound:
        return ()
    models = results.get("models", {})
    views = []
    for name, (title, explanation) in TITLES.items():
        delta = delta_view(results.get("to_seed", {}).get(name, {}).get("delta"))
        if name not in judged or name not in models or delta is None:
            continue
        decision = judged[name]["decision"]
        views.append(
            ControlView(
                name=name,
                title=title,
                explanation=explanation,
                measured=model_view(title, models[name]),
                delta=delta,
                decision="promote" if decision["promote"] else "refuse",
                reason=" ".join(decision["sentences"][:2]),
                visits=judged[name]["visits"],
                champion_minus=delta_view(results["champion_minus"][name].get("delta")),
                seconds=judged[name]["seconds"],
            )
        )
    return tuple(views)
