"""Suites and their figures in words, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from ratchet.artifacts import Artifact, Manifest
from ratchet.evaluate.outcomes import OUTCOMES
from ratchet.evaluate.suites.catalogue import SUITES, suite
from ratchet.store import Store

HEAD = ("name", "primary", "by", "measures")
_LISTED = ("name", "title", "family", "measures", "primary", "higher", "needs", "format", "paper", "parts")


def listed() -> list[dict[str, Any]]:
    """All suites, JSON-able."""
    return [told(one.name) for one in sorted(SUITES.values(), key=lambda one: (one.family, one.name))]


def told(name: str) -> dict[str, Any]:
    """One suite, JSON-able. Raises RecipeError for a name that is none."""
    one = suite(name)
    return {**{field: getattr(one, field) for field in _LISTED}, "judge": one.judged is not None}


def table() -> Iterator[str]:
    """A line a suite under HEAD, the longest words last: a narrow terminal cuts those."""
    rows = [HEAD, *((one["name"], one["primary"], _marker(one), one["measures"]) for one in listed())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for *cells, last in rows:
        yield "  ".join([*(cell.ljust(width) for cell, width in zip(cells, widths[:-1], strict=True)), last])


def all_of(name: str) -> Iterator[str]:
    """All of one suite, a line a fact."""
    one = told(name)
    better = "" if one["higher"] else " (lower is better)"
    facts = {
        "title": one["title"],
        "measures": one["measures"],
        "family": one["family"],
        "primary": f"{one['primary']}{better}",
        "marked by": _marker(one),
        "needs": one["needs"],
        "format": one["format"],
        "paper": one["paper"],
        "parts": ", ".join(one["parts"]) or "none",
    }
    yield from (f"{fact:<11}{value}" for fact, value in facts.items())


def _marker(one: Mapping[str, Any]) -> str:
    return "judge" if one["judge"] else "rule"


def of_suite(results: Mapping[str, Any]) -> Iterator[str]:
    """One model's figures on one suite."""
    found = results["figures"]
    yield f"{results['title']}: {results['items']} items, digest {results['digest'][:12]}"
    interval = found.get("interval")
    between = f"  (95%: {interval[0]:.4f} to {interval[1]:.4f})" if interval else ""
    yield f"  {results['primary']:<24} {_number(found.get(results['primary']))}{between}"
    for name, value in found.items():
        if name not in (results["primary"], "interval", "rates", "sampled") and not isinstance(value, dict):
            yield f"  {name:<24} {_number(value)}"
    for group, values in found.items():
        if isinstance(values, dict):
            yield from _part(group, values)
    yield from (f"! {note}" for note in results["notes"])


def of_round(manifest: Manifest) -> Iterator[str]:
    """Both models' primary figure on each suite of a round."""
    for name, one in manifest.results.get("suites", {}).items():
        values = [one[role].get(one["primary"]) for role in ("champion", "candidate")]
        gain = one["delta"]
        between = f", candidate minus champion {gain['low']:+.4f} to {gain['high']:+.4f}" if gain else ""
        yield f"{name}: {one['primary']} {_number(values[0])} -> {_number(values[1])}{between} ({one['items']} items)"
        yield from (f"! {note}" for note in one["notes"])


def write_predictions(store: Store, manifest: Manifest, file: Path) -> None:
    """A run's answers as rows that `ratchet evaluate score` reads."""
    from ratchet.evaluate.suites.running import predictions

    with file.open("wb") as out:
        for row in predictions(Artifact.open(store, manifest.uri, OUTCOMES).rows()):
            out.write(orjson.dumps(row) + b"\n")


def _part(name: str, values: Mapping[str, Any]) -> Iterator[str]:
    """A dict of figures in one line; of dicts in a line each."""
    plain = {key: value for key, value in values.items() if not isinstance(value, dict)}
    if plain:
        yield f"  {name}: " + ", ".join(f"{key} {_number(value)}" for key, value in plain.items())
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _part(f"{name} {key}", value)


def _number(value: Any) -> str:
    return "none" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
