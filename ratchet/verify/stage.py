"""The verify stage: the groups of generate, shard by shard, with verdicts added to their completions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from ratchet import canonical
from ratchet.artifacts import GROUPS, Artifact, ArtifactWriter, ImageBank, Manifest
from ratchet.artifacts.columns import paused_gc
from ratchet.errors import NotFound, VerifierError
from ratchet.recipe import VerifyConfig
from ratchet.records import Group, Verdict
from ratchet.stage import StageContext
from ratchet.verify.applying import verdicts_of
from ratchet.verify.audit.stage import audited
from ratchet.verify.columns import lists_array, with_completion_fields
from ratchet.verify.judges import Spending, spent_in_words
from ratchet.verify.panel import Panel, panel_of
from ratchet.verify.tally import Tally
from ratchet.verify.tools import opened
from ratchet.verify.workers import in_processes, workers

log = logging.getLogger(__name__)
SLICE = 1024
"""Groups held as records at once, whatever the size of a shard."""


def run(context: StageContext) -> Manifest:
    """Verify every group. Safe to kill and to run again: finished shards are kept."""
    config: VerifyConfig = context.config
    parent = context.open("generate", GROUPS)
    writer = context.writer(GROUPS)
    total = Tally()
    done, rows = 0, parent.manifest.rows
    with opened(context, ImageBank(context.store, parent.manifest.packs)) as tools:
        tools.spending.heard = lambda replies: context.progress(done, rows, "prompts", f"{replies} judgements")
        audit = audited(context, tools)
        for index, tally in _tallies(context, parent, writer, panel_of(config, tools), tools.spending):
            total += tally
            done += parent.manifest.shards[index].rows
            context.progress(done, rows, "prompts", f"{total.verdicts} verdicts")
    context.check_lease()
    return writer.commit(
        counts=total.counts(),
        results={
            "policy": config.policy,
            **total.results(),
            **_spent(total, config),
            **({} if audit is None else {"audit": audit.without_seconds()}),
        },
        seconds=context.seconds,
        packs=parent.manifest.packs,
    )


def _tallies(
    context: StageContext,
    parent: Artifact[Group],
    writer: ArtifactWriter[Group],
    panel: Panel,
    spending: Spending,
) -> Iterator[tuple[int, Tally]]:
    """Verify the shards, here or in several processes. Where models are asked it is here: they are opened once, and wait
    for themselves."""
    indexes = range(len(parent.manifest.shards))
    count = min(workers(), len(indexes))
    if count > 1 and context.config.asks_models:
        log.warning("verify works in one process, whatever RATCHET_WORKERS says: its verifiers ask models")
        count = 1
    if count < 2:
        yield from ((index, _shard(context, parent, writer, index, panel, spending)) for index in indexes)
        return
    for index, tally in in_processes(context, _shards, indexes, count):
        if writer.finished(index) is None:
            raise VerifierError(f"file {index} of verify is gone since a worker wrote it; run the stage again.")
        yield index, tally


@contextmanager
def _shards(context: StageContext) -> Iterator[Callable[[int], Tally]]:
    """In a worker: verify one shard after another, with tools of its own."""
    parent, writer = context.open("generate", GROUPS), context.writer(GROUPS)
    with opened(context, ImageBank(context.store, parent.manifest.packs)) as tools:
        panel = panel_of(context.config, tools)
        yield lambda index: _shard(context, parent, writer, index, panel, tools.spending)


def _shard(
    context: StageContext,
    parent: Artifact[Group],
    writer: ArtifactWriter[Group],
    index: int,
    panel: Panel,
    spending: Spending,
) -> Tally:
    """Verify one shard, or recall what an earlier try counted in it. The count is written first: a shard has one."""
    place = f"{context.prefix}/tally-{index:05d}.json"
    if writer.finished(index):
        try:
            return Tally.load(canonical.loads(context.store.get(place)))
        except NotFound:
            pass
    spending.begin(f"{context.prefix}#{index}")
    tally = Tally()
    config: VerifyConfig = context.config
    with context.clock("read"):
        table = parent.table(parent.manifest.shards[index])
    tables, rows_hash = [], 0
    for part in slices(table):
        with paused_gc():
            verified, part_hash = _verify(context, part, tally, panel)
        tables.append(verified)
        rows_hash += part_hash
    tally.spent = spending.take()
    _check_errors(tally, config)
    with context.clock("write"):
        context.store.put(place, canonical.dumps(tally.dump()))
        writer.write_table(index, pa.concat_tables(tables), f"{rows_hash % canonical.ROW_MODULUS:064x}")
    return tally


def _spent(tally: Tally, config: VerifyConfig) -> dict[str, Any]:
    return {"spent": spent_in_words(tally.spent, config.judges)} if tally.spent else {}


def _check_errors(tally: Tally, config: VerifyConfig) -> None:
    """Raise VerifierError where so many of a shard's verdicts broke that something else is broken; before it is written."""
    broken, verdicts = sum(tally.broken.values()), tally.verdicts
    if broken <= config.max_error_share * verdicts:
        return
    name, number = tally.broken.most_common(1)[0]
    raise VerifierError(
        f"{broken} of a file's {verdicts} verdicts broke, more than verify.max_error_share {config.max_error_share:g}; most often "
        f"verifier {name} ({number}), as in: {tally.last_error}. Mend the cause and run the stage again: finished files are kept. To go on "
        "with these answers unscored, raise verify.max_error_share."
    )


def slices(table: pa.Table) -> Iterator[pa.Table]:
    """The table in parts of at most SLICE rows; at least one part, even if empty."""
    for start in range(0, max(table.num_rows, 1), SLICE):
        yield table.slice(start, SLICE)


def _verify(context: StageContext, table: pa.Table, tally: Tally, panel: Panel) -> tuple[pa.Table, int]:
    """The rows with verdicts, and their hash."""
    config: VerifyConfig = context.config
    with context.clock("read"):
        dicts = GROUPS.dicts(table)
        groups = GROUPS.rows_of_dicts(dicts)
    with context.clock("verify"):
        added = verdicts_of(groups, panel.names, config.timeout_seconds, panel.verifiers)
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
