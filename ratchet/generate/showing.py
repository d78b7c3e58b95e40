"""What a generate artifact holds, in words for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from ratchet.artifacts import GROUPS, Artifact, Manifest
from ratchet.records import Completion, Group
from ratchet.store import Store

LONGEST = 200


def lines(manifest: Manifest) -> list[str]:
    """Counts in all, by strategy, by kind of negative, and by reason for what failed or was refused."""
    counts, results = manifest.counts, manifest.results
    told = [
        f"generate: {manifest.rows} rows, {counts['completions']} completions by {_listed(results.get('models', {}))}",
        f"  strategies: {', '.join(_strategy(name, one) for name, one in results.get('strategies', {}).items())}",
    ]
    if results.get("negatives"):
        told.append(f"  negatives: {_listed(results['negatives'])}, of {counts['negatives_asked']} asked for")
    if results.get("reasons"):
        told.append(f"  failed or refused: {_listed(results['reasons'])}")
    told += _plan(results)
    return [*told, f"{manifest.uri}  content {manifest.content_digest[:12]}"]


def _plan(results: Mapping[str, Any]) -> list[str]:
    """What was decided before: the temperature, and of which skill most and least was taken."""
    told = []
    if results.get("temperature"):
        chosen = results["temperature"]
        best = next(one for one in chosen["curve"] if one["temperature"] == chosen["chosen"])
        told.append(f"  temperature {chosen['chosen']:g}, with Reward-Pass@2 {100 * best['pass_at_2']:.0f}%")
    if results.get("cells"):
        ranked = sorted(results["cells"], key=lambda cell: -cell["weight"])
        most, least = (f"{c['skill']}, band {c['band']}: {c['weight']:.2f}" for c in (ranked[0], ranked[-1]))
        told.append(f"  weights from {most} to {least}")
    return told


def rows_in_words(store: Store, manifest: Manifest, most: int) -> list[str]:
    """The first rows, a few lines each."""
    groups = islice(Artifact.open(store, manifest.uri, GROUPS).rows(), most)
    return [line for group in groups for line in _group(group)]


def _group(group: Group) -> Iterator[str]:
    prompt = group.prompt
    pictures = " ".join(image.sha256[:8] for image in prompt.images)
    yield f"[{prompt.skill}] {short(prompt.question)}  (picture {pictures}; reference {prompt.reference})"
    if group.reason is not None:
        yield f"    refused: {group.reason}"
    for one in group.completions:
        said = (short(one.text) or "(empty)") if one.error is None else one.error
        yield f"    {one.index}: {said}{_made(one, group)}"


def _made(one: Completion, group: Group) -> str:
    """How the completion came about, where it is not a plain answer."""
    notes = []
    if one.sampling.temperature == 0:
        notes.append("greedy")
    if one.negative is not None:
        notes.append(f"negative {one.negative.kind}{', input only' if one.negative.use == 'input' else ''}")
    if one.parent is not None:
        notes.append(f"from {one.parent}")
    if one.input is not None:
        asked = next((m.content for m in reversed(one.input.messages) if m.role == "user"), "")
        if asked != group.prompt.question:
            notes.append(f"shown: {short(asked)}")
        if one.input.images != group.prompt.images:
            notes.append(f"picture {' '.join(ref.sha256[:8] for ref in one.input.images) or 'none'}")
        if one.input.begun:
            notes.append(f"begun: {short(one.input.begun)}")
    notes += [f"{note.name} {note.score:.3g}" for note in one.notes]
    return f"    ({'; '.join(notes)})" if notes else ""


def _strategy(name: str, counted: Mapping[str, Any]) -> str:
    completions = counted["completions"]
    clipped = counted.get("clipped", 0)
    return f"{name} {completions}" + (f" ({100 * clipped / completions:.0f}% clipped)" if clipped else "")


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts.items()) or "none"


def most_first(counts: Mapping[str, int], none: str = "none") -> str:
    """Names with their numbers, the largest first; `none` where there are none."""
    return ", ".join(f"{name} {n}" for name, n in sorted(counts.items(), key=lambda one: -one[1])) or none


def short(text: str) -> str:
    """One line of it, cut where it is long."""
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST else f"{flat[: LONGEST - 1]}…"
