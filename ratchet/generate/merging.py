"""Shards of a stage's prompts, and the artifact that all of them make together. No row is copied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ratchet.artifacts import GROUPS, Header, Manifest, read_manifest
from ratchet.errors import ManifestMissing, RoundError
from ratchet.generate.tally import added
from ratchet.recipe import GenerateConfig
from ratchet.stage import StageContext

SUMMED = ("skills", "strategies", "models", "negatives", "reasons")


def shard_folder(number: int) -> str:
    return f"shards/{number:04d}"


def shard_prefix(context: StageContext, number: int) -> str:
    return f"{context.prefix}/{shard_folder(number)}"


def shard_header(context: StageContext) -> Header:
    return context.writer(GROUPS).header


def merge(context: StageContext, handed: Sequence[str] | None = None) -> Manifest:
    """One artifact of all shards. Raises ManifestMissing naming the shards that are not finished.

    `handed` are the URIs of the shards that tasks have handed on, which must be those of this stage and no others.
    """
    writer = context.writer(GROUPS)
    finished = writer.existing()
    if finished is not None:
        return finished
    config: GenerateConfig = context.config
    parts, missing = {}, []
    for number in range(config.shards):
        try:
            parts[number] = read_manifest(context.store, shard_prefix(context, number), GROUPS.name, GROUPS.version)
        except ManifestMissing:
            missing.append(number)
    if missing:
        told = ", ".join(map(str, missing[:20]))
        raise ManifestMissing(
            f"{len(missing)} of {config.shards} shards of {context.store.uri(context.prefix)} are not finished: {told}. "
            f"`ratchet generate --loop {context.round.loop}` makes them; the others are kept."
        )
    if handed is not None and sorted(handed) != sorted(part.uri for part in parts.values()):
        raise RoundError(
            f"{len(handed)} shards were handed on to merge, and they are not the {len(parts)} of "
            f"{context.store.uri(context.prefix)}. Run the round again: `ratchet resume --loop {context.round.loop}`."
        )
    for number, part in parts.items():
        if part.key != context.key:
            raise RoundError(f"shard {number} at {part.uri} belongs to another stage key; delete it and run it again.")
        writer.adopt(shard_folder(number), part)
    context.check_lease()
    packs = {pack.uri: pack for part in parts.values() for pack in part.packs}
    return writer.commit(
        counts=_sum(part.counts for part in parts.values()),
        results=_results([part.results for part in parts.values()]),
        seconds=_sum(part.seconds for part in parts.values()),
        packs=packs.values(),
    )


def _results(parts: list[Mapping[str, Any]]) -> dict[str, Any]:
    """What all shards say alike, and the sums of what they counted."""
    total = dict(parts[0])
    for name in SUMMED:
        total[name] = _sum(part[name] for part in parts)
    return total


def _sum(parts: Any) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for part in parts:
        total = added(total, part)
    return total
