"""The labels of a loop in tables: how far they agree with the verdicts, and where they do not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ratchet.report.tables import Table
from ratchet.report.words import printable
from ratchet.review.labels import Label, Labels, standing
from ratchet.statistics import wilson

LONGEST = 60


def told(labels: Labels) -> dict[str, Any]:
    """All labels as JSON, those that count in audits and those of holdout items apart, with how the verifiers fare."""
    found = {place: labels.of(place) for place in ("pool", "held")}
    return {
        **{
            place: [{**one.model_dump(mode="json"), "disagrees": one.disagrees} for one in some]
            for place, some in found.items()
        },
        "verifiers": [fare(name, standing(found["pool"])) for name in _names(found["pool"])],
    }


def fare(verifier: str, labels: Sequence[Label]) -> dict[str, Any]:
    """How often a verifier and the people who were sure say the same, of the answers that it decided."""
    pairs = [
        (passed, label.right)
        for label in labels
        if label.right is not None and (passed := label.said.get(verifier)) is not None
    ]
    agree = sum(passed == right for passed, right in pairs)
    low, high = wilson(agree, len(pairs))
    return {
        "verifier": verifier,
        "n": len(pairs),
        "agree": agree,
        "passed_wrong": sum(passed and not right for passed, right in pairs),
        "failed_right": sum(right and not passed for passed, right in pairs),
        "low": round(low, 6),
        "high": round(high, 6),
    }


def tables(labels: Labels) -> Iterator[Table]:
    """What people said beside what was decided. The queue is mostly of doubtful answers, so agreement is lower than over all."""
    pool, held = standing(labels.of("pool")), standing(labels.of("held"))
    if pool:
        rows = [
            [
                str(f["verifier"]),
                str(f["n"]),
                str(f["agree"]),
                f"{100 * f['low']:.0f} to {100 * f['high']:.0f}%",
                str(f["passed_wrong"]),
                str(f["failed_right"]),
            ]
            for f in (fare(name, pool) for name in _names(pool))
        ]
        yield Table(
            "Verifiers beside people, on doubtful answers",
            ("verifier", "both decided", "agree", "95%", "passed wrong", "failed right"),
            rows,
        )
    for title, some in (("Labels that count in audits", pool), ("Labels of holdout items, kept apart", held)):
        if some:
            yield Table(
                title,
                ("round", "doubt", "answer", "label", "verdict", "note", "author", "at"),
                [_row(one) for one in some],
                left=8,
            )


def _row(one: Label) -> list[str]:
    verdict = {True: "passed", False: "failed", None: "undecided"}[one.verdict]
    label = f"{one.choice}{' (override)' if one.override else ''}{' *' if one.disagrees else ''}"
    return [
        str(one.round),
        ", ".join(one.why),
        printable(one.text)[:LONGEST],
        label,
        verdict,
        printable(one.note)[:LONGEST],
        printable(one.author),
        f"{one.at:%Y-%m-%d %H:%M}",
    ]


def _names(labels: Sequence[Label]) -> list[str]:
    return sorted({name for label in labels for name in label.said})
