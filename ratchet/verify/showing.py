"""What a verify artifact holds, in words for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from ratchet.artifacts import GROUPS, Artifact, Manifest
from ratchet.generate.showing import most_first, short
from ratchet.records import Completion, Group, Verdict
from ratchet.store import Store
from ratchet.verify.disagreement import disagreeing, in_words


def lines(manifest: Manifest) -> list[str]:
    """Counts in all and by verifier; who decided, where verifiers disagree, and what judges cost."""
    counts, results = manifest.counts, manifest.results
    told = [
        f"verify: {manifest.rows} rows, {counts['completions']} completions: {counts['passed']} passed, {counts['failed']} failed, "
        f"{counts['unscored']} unscored, by policy {results['policy']}"
    ]
    told += [f"  {name}: {most_first(reasons)}" for name, reasons in results["verifiers"].items()]
    decided = [_decided(one) for one in results["decided"]]
    if len(decided) > 1:
        told.append(f"  decided: {'; '.join(decided)}")
    told += [f"  {words}" for words in in_words(results["disagreement"])]
    told += [f"  {_spent(judge, one)}" for judge, one in results.get("spent", {}).items()]
    return [*told, f"{manifest.uri}  content {manifest.content_digest[:12]}"]


def rows_in_words(store: Store, manifest: Manifest, most: int) -> list[str]:
    """The first rows, a few lines each."""
    return _rows(store, manifest, most, lambda _: True)


def disagreements_in_words(store: Store, manifest: Manifest, most: int) -> list[str]:
    """The first rows with a completion that one verifier passed and another failed; of each only those completions."""
    return _rows(store, manifest, most, lambda one: disagreeing(one.verdicts))


def _rows(store: Store, manifest: Manifest, most: int, wanted: Callable[[Completion], bool]) -> list[str]:
    groups = ((g, [c for c in g.completions if wanted(c)]) for g in Artifact.open(store, manifest.uri, GROUPS).rows())
    some = islice(((group, chosen) for group, chosen in groups if chosen), most)
    return [line for group, chosen in some for line in _group(group, chosen)]


def _group(group: Group, completions: Sequence[Completion]) -> Iterator[str]:
    prompt = group.prompt
    pictures = " ".join(image.sha256[:8] for image in prompt.images)
    yield f"[{prompt.skill}] {short(prompt.question)}  (picture {pictures}; reference {prompt.reference})"
    for one in completions:
        made = f"  (negative {one.negative.kind})" if one.negative is not None else ""
        yield f"    {one.index}: {short(one.text) or '(empty)'}{made}"
        yield from (f"       {_verdict(verdict)}" for verdict in one.verdicts)


def _verdict(one: Verdict) -> str:
    said = {True: "right", False: "wrong", None: "no opinion" if one.score is not None else "unscored"}[one.passed]
    score = f" {one.score:.3g}" if one.score is not None else ""
    parts = f"; {', '.join(f'{short(part.name)} {part.score:.3g}' for part in one.parts)}" if one.parts else ""
    why = f": {short(one.error or one.detail or '')}" if one.error or one.detail else ""
    return f"{one.verifier}: {said}{score} ({one.reason}{why}{parts})"


def _decided(one: Mapping[str, Any]) -> str:
    counts = {name: one[name] for name in ("passed", "failed", "unscored") if one[name]}
    return f"{one['verifier'] or 'several together'} {most_first(counts)}"


def _spent(judge: str, one: Mapping[str, Any]) -> str:
    cost = f", cost {one['cost']:g}" if one["cost"] else ""
    return (
        f"judge {judge}: {one['calls']} calls ({one['failed']} failed), {one['cached']} replies recalled, "
        f"{one['tokens_in']} tokens read, {one['tokens_out']} written{cost}"
    )
