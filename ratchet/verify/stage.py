"""The verify stage: the groups of generate, shard by shard, with verdicts added to their completions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from ratchet import canonical
from ratchet.artifacts import GROUPS, Artifact, ArtifactWriter, Manifest
from ratchet.artifacts.columns import paused_gc
from ratchet.errors import NotFound
from ratchet.recipe import VerifyConfig
from ratchet.records import Group, Verdict
from ratchet.stage import StageContext
from ratchet.verify.applying import known, verdicts_of
from ratchet.verify.columns import lists_array, with_completion_fields
from ratchet.verify.tally import Tally

SLICE = 1024
"""Groups held as records at once, whatever the size of a shard."""


def run(context: StageContext) -> Manifest:
    """Verify every group. Safe to kill and to run again: finished shards are kept."""
    config: VerifyConfig = context.config
    for name in config.verifiers or ():
        known(name)
    parent = context.open("generate", GROUPS)
    writer = context.writer(GROUPS)
    total = Tally()
    done, rows = 0, parent.manifest.rows
    for index, shard in enumerate(parent.manifest.shards):
        total += _shard(context, parent, writer, index)
        done += shard.rows
        context.progress(done, rows, "prompts", f"{total.verdicts} verdicts")
    context.check_lease()
    return writer.commit(
        counts=total.counts(),
        results={"policy": config.policy, **total.results()},
        seconds=context.seconds,
        packs=parent.manifest.packs,
    )


def _shard(context: StageContext, parent: Artifact[Group], writer: ArtifactWriter[Group], index: int) -> Tally:
    """Verify one shard, or recall what an earlier try counted in it. The count is written first: a shard has one."""
    place = f"{context.prefix}/tally-{index:05d}.json"
    if writer.finished(index):
        try:
            return Tally.load(canonical.loads(context.store.get(place)))
        except NotFound:
            pass
    tally = Tally()
    with context.clock("read"):
        table = parent.table(parent.manifest.shards[index])
    tables, rows_hash = [], 0
    for part in slices(table):
        with paused_gc():
            verified, part_hash = _verify(context, part, tally)
        tables.append(verified)
        rows_hash += part_hash
    with context.clock("write"):
        context.store.put(place, canonical.dumps(tally.dump()))
        writer.write_table(index, pa.concat_tables(tables), f"{rows_hash % canonical.ROW_MODULUS:064x}")
    return tally


def slices(table: pa.Table) -> Iterator[pa.Table]:
    """The table in parts of at most SLICE rows; at least one part, even if empty."""
    for start in range(0, max(table.num_rows, 1), SLICE):
        yield table.slice(start, SLICE)


def _verify(context: StageContext, table: pa.Table, tally: Tally) -> tuple[pa.Table, int]:
    """The rows with verdicts, and their hash."""
    config: VerifyConfig = context.config
    with context.clock("read"):
        dicts = GROUPS.dicts(table)
        groups = GROUPS.rows_of_dicts(dicts)
    with context.clock("verify"):
        added = verdicts_of(groups, config.verifiers, config.timeout_seconds)
        tally.add(groups, added, config)
    with context.clock("write"):
        all_verdicts = [
            completion.verdicts + new
            for group, lists in zip(groups, added, strict=True)
            for completion, new in zip(group.completions, lists, strict=True)
        ]
        dumped = _Dumps()
        for group, lists in zip(dicts, added, strict=True):
            for completion, new in zip(group["completions"], lists, strict=True):
                completion["verdicts"] = [*completion["verdicts"], *map(dumped, new)]
        return with_completion_fields(table, {"verdicts": lists_array(Verdict, all_verdicts)}), canonical.rows_hash(
            dicts
        )


class _Dumps:
    """Verdicts as dicts; the verdicts of a batch are mostly the same few objects."""

    def __init__(self) -> None:
        self._known: dict[int, dict[str, Any]] = {}

    def __call__(self, verdict: Verdict) -> dict[str, Any]:
        found = self._known.get(id(verdict))
        if found is None:
            found = self._known[id(verdict)] = verdict.model_dump()
        return found
