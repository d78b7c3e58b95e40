"""A comparison as markdown: one table for equal visits, one for equal seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

HEAD = ("arm", "learns by", "rows", "visits", "accuracy", "minus seed", "CHAIR_i", "minus seed", "POPE F1")
STAGES = ("generate", "verify", "filter", "train")
TITLES = {"visits": "Equal training visits", "seconds": "Equal {unit}"}


def tables(result: Mapping[str, Any]) -> str:
    """Both comparisons. Differences are paired, by item, with 95% intervals over clusters of items that share a picture."""
    unit = result["unit"]
    parts = []
    for comparison, made in result["comparisons"].items():
        head = [*HEAD, *(f"{stage}, {unit}" for stage in STAGES), f"all, {unit}"]
        seed = ["seed", "", "", "", *_measured(result["seed"], alone=True), *[""] * (len(STAGES) + 1)]
        lines = [head, ["---"] * len(head), seed, *(_line(name, one, len(head)) for name, one in made.items())]
        title = TITLES[comparison].format(unit=unit)
        parts.append(
            f"{title}, {result['items']:,} items:\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)
        )
    return "\n\n".join(parts) + "\n"


def _line(name: str, one: Mapping[str, Any], width: int) -> list[str]:
    if "error" in one:
        said = one["error"] if len(one["error"]) <= 160 else f"{one['error'][:157]}..."
        return [f"`{name}`", f"no result: {said}", *[""] * (width - 2)]
    stages = [f"{one['seconds'].get(stage, 0.0):.0f}" for stage in STAGES]
    counted = [one["method"], f"{one['rows']:,}", f"{one['visits']:,}"]
    return [f"`{name}`", *counted, *_measured(one), *stages, f"{one['spent']:.0f}"]


def _measured(one: Mapping[str, Any], alone: bool = False) -> Sequence[str]:
    """Of the seed `alone`: it differs from nothing."""
    chair = one["deltas"]["chair_i"]
    return [
        f"{100 * one['accuracy']:.1f}",
        "" if alone else _points(one["delta"]),
        "" if one["chair_i"] is None else f"{one['chair_i']:.3f}",
        "" if alone or chair is None else f"{chair['delta']:+.3f} ({chair['low']:+.3f} to {chair['high']:+.3f})",
        "" if one["pope_f1"] is None else f"{one['pope_f1']:.3f}",
    ]


def _points(delta: Mapping[str, float]) -> str:
    return f"{100 * delta['delta']:+.1f} ({100 * delta['low']:+.1f} to {100 * delta['high']:+.1f})"
