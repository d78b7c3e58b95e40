"""What a filter artifact holds, in words for a terminal; `ratchet excluded` shows what was dropped."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from ratchet.artifacts import GROUPS, Artifact, Manifest
from ratchet.generate.showing import most_first, short
from ratchet.records import Group
from ratchet.store import Store


def lines(manifest: Manifest) -> list[str]:
    """Counts in all and by reason, what the rows are for, and what was kept by difficulty band."""
    counts, results = manifest.counts, manifest.results
    told = [f"filter: {counts['kept']} of {counts['rows']} prompts kept, for {most_first(results['uses'], 'nothing')}"]
    if results["reasons"]:
        told.append(f"  dropped: {most_first(results['reasons'], 'nothing')}")
    if results["pairs"]:
        told.append(f"  pairs: {results['pairs']}")
    bands = {name: f"{one['kept']} of {one['rows']}" for name, one in results["bands"].items()}
    told.append(f"  kept by difficulty: {', '.join(f'{name} {share}' for name, share in bands.items()) or 'none'}")
    return [*told, f"{manifest.uri}  content {manifest.content_digest[:12]}"]


def rows_in_words(store: Store, manifest: Manifest, most: int) -> list[str]:
    """The first rows that were kept: what is learned from each."""
    groups = islice(Artifact.open(store, manifest.uri, GROUPS).rows(), most)
    return [line for group in groups for line in _group(group)]


def _group(group: Group) -> Iterator[str]:
    prompt = group.prompt
    again = f"; again from round {group.replayed}" if group.replayed is not None else ""
    yield f"[{prompt.skill}] {short(prompt.question)}  (for {', '.join(group.uses)}{again})"
    for one in group.completions:
        if one.kept:
            yield f"    kept {one.index}: {short(one.text)}"
    texts = {one.index: short(one.text) for one in group.completions}
    for pair in group.pairs:
        yield f"    {pair.kind} pair: {texts[pair.chosen]} over {texts[pair.rejected]}  ({pair.reason}, margin {pair.margin:.3g})"
