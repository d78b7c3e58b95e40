"""What alarms look at: the numbers of one round, read from its manifests; and what one says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ratchet.artifacts import Manifest
from ratchet.recipe import Recipe
from ratchet.recipe.alarms import Action
from ratchet.recipe.audit import COMBINED
from ratchet.records import Record
from ratchet.verify.vitals import Vitals

CONDITIONING = "conditioning"


class Alarm(Record):
    """`value` against `threshold`, and against the `reference` that was measured in round `since`; None: an absolute one.

    `words` say what was seen and by which rule, `next` what to do.
    """

    name: str
    action: Action
    value: float
    threshold: float
    reference: float | None = None
    since: int | None = None
    words: str
    next: str


class Measured(NamedTuple):
    """A share of so many."""

    share: float
    n: int


class Seen(NamedTuple):
    """One round. `precision` is the audit's, of what the recipe's verdicts pass together; `champion` and `candidate` are the
    holdout accuracies by skill, "" standing for all; `kept` is (kept, rows) by skill."""

    number: int
    vitals: Vitals | None = None
    precision: Measured | None = None
    conditioning: float | None = None
    champion: Mapping[str, Measured] = {}
    candidate: Mapping[str, Measured] = {}
    kept: Mapping[str, tuple[int, int]] = {}


def seen_in(number: int, recipe: Recipe, done: Mapping[str, Manifest]) -> Seen:
    """What a round's finished stages tell; what is missing is None or empty."""
    verified = done["verify"].results if "verify" in done else {}
    vitals = Vitals.model_validate(verified["vitals"]) if "vitals" in verified else None
    measured = done["evaluate"].results if "evaluate" in done else {}
    skills = done["filter"].results.get("skills", {}) if "filter" in done else {}
    return Seen(
        number,
        vitals,
        _audited(verified.get("audit")),
        _conditioning(vitals, recipe),
        _accuracies(measured.get("champion")),
        _accuracies(measured.get("candidate")),
        {name: (counts["kept"], counts["rows"]) for name, counts in skills.items()},
    )


def _audited(audit: Mapping[str, Any] | None) -> Measured | None:
    """Precision of the recipe's combined judgement on the labelled slice; None where there was no audit or it passed nothing."""
    found = next((one for one in (audit or {}).get("verifiers", ()) if one["verifier"] == COMBINED), None)
    if found is None or found["precision"]["share"] is None:
        return None
    return Measured(found["precision"]["share"], found["precision"]["n"])


def _conditioning(vitals: Vitals | None, recipe: Recipe) -> float | None:
    called = [one.called for one in recipe.verify.chosen if one.name == CONDITIONING]
    scores = [vitals.scores[name] for name in called if name in vitals.scores] if vitals is not None else []
    return sum(scores) / len(scores) if scores else None


def _accuracies(found: Mapping[str, Any] | None) -> dict[str, Measured]:
    parts = {"": found, **found.get("skills", {})} if found and "scored" in found else {}
    return {
        name: Measured(part["accuracy"], part["scored"]) for name, part in parts.items() if part["accuracy"] is not None
    }
