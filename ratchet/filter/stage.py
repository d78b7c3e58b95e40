"""The filter stage: two passes over the verified groups. The first decides, the second writes.

Kept groups make the artifact, with `kept` and `reason` set on their completions, and with pairs and uses. Dropped ones are
named with their reason in a second artifact in the folder `excluded` beside the shards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ratchet import alarms, canonical
from ratchet.artifacts import GROUPS, Artifact, ArtifactWriter, Manifest
from ratchet.artifacts.columns import paused_gc
from ratchet.errors import NotFound
from ratchet.filter import reasons, replay
from ratchet.filter.decisions import Decisions
from ratchet.filter.excluded import EXCLUDED, Excluded, excluded_prefix, excluded_rows
from ratchet.filter.inputs import replay_sources
from ratchet.filter.settle import Settled, settle
from ratchet.filter.survey import survey
from ratchet.recipe import FilterConfig
from ratchet.records import Group, Pair
from ratchet.stage import StageContext
from ratchet.verify.columns import lists_array, with_column, with_completion_fields
from ratchet.verify.stage import slices


def run(context: StageContext) -> Manifest:
    """Filter every group. Safe to kill and to run again: the decision is made anew, finished shards are kept.

    Raises RoundStopped, before anything is decided, where an alarm of the recipe stops the round.
    """
    found = alarms.check(context)
    config: FilterConfig = context.config
    sources = replay_sources(context.store, context.round, config.replay) if config.replay is not None else []
    decisions = survey(context, sources)
    parent = context.open("verify", GROUPS)
    writer = context.writer(GROUPS)
    excluded = ArtifactWriter(context.store, excluded_prefix(context.prefix), EXCLUDED, writer.header)
    total: Counter[str] = Counter()
    start = 0
    for index, shard in enumerate(parent.manifest.shards):
        total += _shard(context, parent, (writer, excluded), index, decisions, start)
        start += shard.rows
        context.progress(decisions.rows + start, 2 * decisions.rows, "prompts", f"{decisions.kept} kept")
    if decisions.drawn is not None:
        with context.clock("write"):
            replay.write(context.store, sources, config, decisions.drawn, writer, len(parent.manifest.shards))
    context.check_lease()
    dropped = excluded.commit(counts=decisions.reasons())
    return writer.commit(
        counts=_counts(decisions, total),
        results={
            **_results(decisions, total),
            **({"replay": decisions.drawn.results(sources)} if decisions.drawn is not None else {}),
            "excluded": dropped.content_digest,
            "alarms": [one.model_dump(mode="json") for one in found],
        },
        seconds=context.seconds,
        packs=replay.packs_of(parent.manifest.packs, sources),
    )


def _counts(decisions: Decisions, total: Counter[str]) -> dict[str, int]:
    dropped = {f"dropped_{name}": number for name, number in decisions.reasons().items()}
    again = {} if decisions.drawn is None else {"replayed": int(decisions.drawn.taken.sum())}
    return {"rows": decisions.rows, "kept": decisions.kept, **again, **dropped, **dict(sorted(total.items()))}


def _results(decisions: Decisions, total: Counter[str]) -> dict[str, Any]:
    """What the report shows: groups by skill, by difficulty band and by reason, and what became of the completions."""
    return {
        "rows": decisions.rows,
        "kept": decisions.kept,
        "reasons": decisions.reasons(),
        "skills": decisions.by_skill(),
        "bands": decisions.by_band(),
        "pass_rates": decisions.by_pass_rate(),
        "completions": _with_prefix(total, "completions_"),
        "uses": _with_prefix(total, "use_"),
        "pairs": total["pairs"],
        "pairs_mended": _with_prefix(total, "pairs_"),
    }


def _with_prefix(total: Counter[str], prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): total[name] for name in sorted(total) if name.startswith(prefix)}


Writers = tuple[ArtifactWriter[Group], ArtifactWriter[Excluded]]


def _shard(
    context: StageContext, parent: Artifact[Group], writers: Writers, index: int, decisions: Decisions, start: int
) -> Counter[str]:
    """Write both sides of one shard, or recall what an earlier try counted. The count is written first."""
    writer, excluded = writers
    place = f"{context.prefix}/tally-{index:05d}.json"
    if writer.finished(index) and excluded.finished(index):
        try:
            return Counter(canonical.loads(context.store.get(place)))
        except NotFound:
            pass
    with context.clock("read"):
        table = parent.table(parent.manifest.shards[index])
    tally: Counter[str] = Counter()
    with context.clock("write"):
        kept = decisions.codes[start : start + table.num_rows] == 0
        tables, rows_hash = [], 0
        left = _pairs_left(decisions, start + np.flatnonzero(kept))
        for part in slices(table.filter(pa.array(kept))):
            with paused_gc():
                written, part_hash = _keep(context, part, tally, left[: part.num_rows])
            del left[: part.num_rows]
            tables.append(written)
            rows_hash += part_hash
        context.store.put(place, canonical.dumps(tally))
        excluded.write(index, excluded_rows(table, ~kept, decisions, start))
        writer.write_table(index, pa.concat_tables(tables), f"{rows_hash % canonical.ROW_MODULUS:064x}")
    return tally


def _pairs_left(decisions: Decisions, rows: Any) -> list[list[bool] | None]:
    """For each kept row which of its pairs of text stay; None: all."""
    pairs = decisions.pairs
    return [None if pairs is None else pairs.of(row) for row in rows.tolist()]


def _keep(
    context: StageContext, table: pa.Table, tally: Counter[str], left: Sequence[list[bool] | None]
) -> tuple[pa.Table, int]:
    """The rows with marks on completions, pairs and uses; and their hash. Adds to `tally`."""
    dicts = GROUPS.dicts(table)
    groups = GROUPS.rows_of_dicts(dicts)
    settled = [
        _with_pairs_left(settle(group, context.round.recipe.verify, context.config), pairs)
        for group, pairs in zip(groups, left, strict=True)
    ]
    for row, one in zip(dicts, settled, strict=True):
        _count(one, tally)
        for completion, (kept, why) in zip(row["completions"], one.marks, strict=True):
            completion["kept"], completion["reason"] = kept, why
        row["pairs"] = [pair.model_dump() for pair in one.pairs]
        row["uses"] = list(one.uses)
    marks = [mark for one in settled for mark in one.marks]
    fields = {
        "kept": pa.array([kept for kept, _ in marks], type=pa.bool_()),
        "reason": pa.array([why for _, why in marks], type=pa.string()),
    }
    table = with_completion_fields(table, fields)
    table = with_column(table, "pairs", lists_array(Pair, [one.pairs for one in settled]))
    table = with_column(table, "uses", pa.array([list(one.uses) for one in settled], type=pa.list_(pa.string())))
    return table, canonical.rows_hash(dicts)


def _with_pairs_left(settled: Settled, left: list[bool] | None) -> Settled:
    """Without the pairs that the mean lengths cost, and without the use that hung on them."""
    if left is None or all(left):
        return settled
    stays = iter(left)
    pairs = tuple(pair for pair in settled.pairs if pair.kind != "text" or next(stays))
    uses = tuple(use for use in settled.uses if use != "preference" or pairs)
    mended = settled.mended + Counter(length_unbalanced=left.count(False))
    return settled._replace(pairs=pairs, uses=uses, mended=mended)


def _count(one: Settled, tally: Counter[str]) -> None:
    for _, why in one.marks:
        tally[f"completions_{why or reasons.KEPT}"] += 1
    for name, number in one.mended.items():
        tally[f"pairs_{name}"] += number
    for use in one.uses:
        tally[f"use_{use}"] += 1
    tally["pairs"] += len(one.pairs)
