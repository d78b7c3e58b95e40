"""Replay: groups that earlier rounds of the loop kept, learned from again.

They stand behind the round's own groups in the survey, so that they are checked against the CURRENT fence and duplicates, and
own groups win. Caps, balance and mean lengths are of the round's own groups alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ratchet.artifacts import GROUPS, Artifact, ArtifactWriter, Manifest, Pack
from ratchet.artifacts.columns import paused_gc
from ratchet.filter import reasons
from ratchet.filter.shares import Codes
from ratchet.recipe import FilterConfig, ReplayConfig
from ratchet.records import Group
from ratchet.store import Store
from ratchet.verify.stage import slices

if TYPE_CHECKING:
    from ratchet.filter.survey import Survey

Sources = list[tuple[int, Manifest]]


@dataclass(frozen=True)
class Drawn:
    """Which of the candidates, in the order of `Sources` and their rows, are replayed; and why others could not be."""

    taken: npt.NDArray[np.bool_]
    refused: dict[str, int]

    def results(self, sources: Sources) -> dict[str, object]:
        starts = np.cumsum([0, *(manifest.rows for _, manifest in sources)])
        by_round = {
            str(n): int(self.taken[a:b].sum()) for (n, _), a, b in zip(sources, starts, starts[1:], strict=False)
        }
        return {"rounds": by_round, "rows": int(self.taken.sum()), "refused": self.refused}


def again(group: Group, number: int, config: FilterConfig) -> Group | None:
    """The group as this round may use it; None where it may not: one that was a replay already, or serves nothing here."""
    if group.replayed is not None:
        return None
    wanted = {"text": config.pairs.texts, "image": config.pairs.images} if config.pairs is not None else {}
    pairs = tuple(pair for pair in group.pairs if wanted.get(pair.kind))
    uses = tuple(
        use for use in group.uses if (config.uses is None or use in config.uses) and (use != "preference" or pairs)
    )
    return group.model_copy(update={"replayed": number, "pairs": pairs, "uses": uses}) if uses else None


def look(store: Store, sources: Sources, config: FilterConfig, found: Survey) -> None:
    """Show the survey every candidate."""
    for number, manifest in sources:
        for table in Artifact.open(store, manifest.uri, GROUPS).tables():
            for part in slices(table):
                with paused_gc():
                    for group in GROUPS.rows(part):
                        why = reasons.NO_USE if group.replayed is None else reasons.REPLAYED_BEFORE
                        found.add_earlier(group, None if again(group, number, config) is not None else why)


def draw(codes: Codes, keys: npt.NDArray[np.uint64], kept: int, config: ReplayConfig) -> Drawn:
    """Of the candidates with code 0 those with the lowest keys, so many that they are at most `share` of all beside `kept`."""
    free = np.flatnonzero(codes == 0)
    most = math.floor(kept * config.share / (1 - config.share) + 1e-9)
    taken = np.zeros(codes.size, dtype=bool)
    taken[free[np.argsort(keys[free], kind="stable")[:most]]] = True
    found = np.bincount(codes, minlength=len(reasons.NAMES))
    refused = {name: int(found[code]) for code, name in enumerate(reasons.NAMES) if code and found[code]}
    return Drawn(taken, refused)


def write(
    store: Store, sources: Sources, config: FilterConfig, drawn: Drawn, writer: ArtifactWriter[Group], index: int
) -> None:
    """Write the replayed groups as shards of their own, from number `index` on: one for each shard that any come from."""
    start = 0
    for number, manifest in sources:
        artifact = Artifact.open(store, manifest.uri, GROUPS)
        for shard in manifest.shards:
            taken = drawn.taken[start : start + shard.rows]
            start += shard.rows
            if not taken.any():
                continue
            if writer.finished(index) is None:
                writer.write(index, _rows(artifact.table(shard), taken, number, config))
            index += 1


def _rows(table: pa.Table, taken: npt.NDArray[np.bool_], number: int, config: FilterConfig) -> Iterator[Group]:
    for part in slices(table.filter(pa.array(taken))):
        for group in GROUPS.rows(part):
            found = again(group, number, config)
            if found is not None:
                yield found


def packs_of(own: tuple[Pack, ...], sources: Sources) -> tuple[Pack, ...]:
    """The pictures of both, each pack once."""
    every = [*own, *(pack for _, manifest in sources for pack in manifest.packs)]
    return tuple({pack.uri: pack for pack in every}.values())
