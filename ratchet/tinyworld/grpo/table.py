"""From the lines of results to the table: gains over the seed on the same items, and over the controls."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from scipy import special

from ratchet.tinyworld import measure
from ratchet.tinyworld.grpo.configs import BY_NAME

Line = Mapping[str, Any]


def gain(lines: Sequence[Line], others: Sequence[Line]) -> tuple[float, float]:
    """Points by which `lines` are better than `others` on the same items, and the 95% half-width.

    Runs of several random seeds are averaged item by item, so that an item is one observation: the interval is over items.
    """
    return measure.interval([100 * (a - b) for a, b in zip(_means(lines), _means(others), strict=True)])


def between(lines: Sequence[Line], seed: Sequence[Line]) -> float | None:
    """95% half-width of the mean gain over random seeds (t with n - 1 degrees); None for a single run."""
    if len(lines) < 2:
        return None
    gains = [gain([line], seed)[0] for line in lines]
    mean = sum(gains) / len(gains)
    spread = math.sqrt(sum((one - mean) ** 2 for one in gains) / (len(gains) - 1))
    return float(special.stdtrit(len(gains) - 1, 0.975)) * spread / math.sqrt(len(gains))


def table(lines: Sequence[Line], seconds: float, split: str) -> str:
    """The runs of one budget on one split as markdown, best first."""
    base = [line for line in lines if line["name"] == "seed" and line["split"] == split]
    runs: dict[str, list[Line]] = {}
    for line in lines:
        if line["seconds"] == seconds and line["split"] == split and line["name"] != "seed":
            runs.setdefault(line["name"], []).append(line)
    if not base or not runs:
        return ""
    head = ["configuration", "changes", "runs", "steps", "gain", "between seeds", "over rft", "reward", "zero variance"]
    order = sorted(runs, key=lambda name: -gain(runs[name], base)[0])
    body = [_row(name, runs[name], base, runs.get("rft")) for name in order]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *body])


def _row(name: str, lines: Sequence[Line], base: Sequence[Line], rft: Sequence[Line] | None) -> list[str]:
    spread = between(lines, base)
    over = "" if rft is None or name == "rft" else _points(*gain(lines, rft))
    steps = sum(line["steps"] for line in lines) / len(lines)
    return [
        name,
        BY_NAME[name].changes,
        str(len(lines)),
        f"{steps:.0f}",
        _points(*gain(lines, base)),
        "" if spread is None else f"+- {spread:.1f}",
        over,
        _ends(lines, "sampled"),
        _ends(lines, "zero_variance"),
    ]


def _points(mean: float, half: float) -> str:
    return f"{mean:+.1f} +- {half:.1f}"


def _ends(lines: Sequence[Line], name: str) -> str:
    known = [line[name] for line in lines if line.get(name)]
    if not known:
        return ""
    return " to ".join(f"{sum(one[end] for one in known) / len(known):.2f}" for end in (0, 1))


def _means(lines: Sequence[Line]) -> list[float]:
    return [sum(map(int, marks)) / len(marks) for marks in zip(*(line["right"] for line in lines), strict=True)]
