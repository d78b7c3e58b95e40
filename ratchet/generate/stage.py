"""The generate stage: completions for this round's choice of pool prompts, shard by shard."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable

from ratchet import models
from ratchet.artifacts import GROUPS, Artifact, ImageBank, Manifest
from ratchet.errors import SamplingError
from ratchet.generate.resuming import chunks, read_back
from ratchet.generate.sampling import ReferenceSampler, Sampler, SamplingParams, derived_seed
from ratchet.promptset import open_part
from ratchet.recipe import GenerateConfig
from ratchet.records import Group, Prompt
from ratchet.stage import StageContext

COUNTED = ("prompts", "completions", "tokens", "clipped")


def run(context: StageContext) -> Manifest:
    """Sample the seed model on the pool. Finished shards of an earlier try are kept, whatever ended it."""
    writer = context.writer(GROUPS)
    finished = writer.existing()
    if finished is not None:
        return finished
    config: GenerateConfig = context.config
    pool = open_part(context.store, context.prompt_set(), "pool")
    ids = chosen(pool, context.round.recipe.prompts.pool, context.round.salt)
    if not ids:
        raise SamplingError(
            f"the pool at {pool.manifest.uri} is empty; there is nothing to sample. Import more prompts."
        )
    tally = Counter[tuple[str, str]]()
    sampled = _Sampled(context, config, ImageBank(context.store, pool.manifest.packs), len(ids))
    for index, prompts in enumerate(chunks((p for p in pool.rows() if p.id in ids), config.shard_size)):
        if writer.finished(index) is not None:
            groups = read_back(writer, index)
            sampled.skip(groups)
        else:
            groups = sampled.groups(prompts)
            with context.clock("write"):
                context.check_lease()
                writer.write(index, groups)
        count(groups, tally)
    context.check_lease()
    results = {"model": sampled.label, "skills": by_skill(tally)}
    return writer.commit(counts=totals(tally), results=results, seconds=context.seconds, packs=pool.manifest.packs)


class _Sampled:
    """The sampler of a round, loaded when the first shard needs it, and how far it has come."""

    def __init__(self, context: StageContext, config: GenerateConfig, bank: ImageBank, prompts: int) -> None:
        reference = config.strategy == "reference"
        self._context, self._config, self._bank = context, config, bank
        self._total = prompts * (1 if reference else config.k)
        self._done = 0
        self._params = params_of(config, derived_seed(context.round.salt, "generate"))
        self._sampler: Sampler | None = ReferenceSampler() if reference else None
        self.label = "reference" if reference else context.round.seed.label

    def groups(self, prompts: list[Prompt]) -> list[Group]:
        self._context.check_lease()
        if self._sampler is None:
            with self._context.clock("load"):
                self._sampler = self._load()
        with self._context.clock("sample"):
            made = list(self._sampler.sample(prompts, self._params))
        if self._config.strategy == "reference":
            self._advance(len(made))
        return made

    def skip(self, groups: Iterable[Group]) -> None:
        self._advance(sum(len(group.completions) for group in groups))

    def _load(self) -> Sampler:
        from ratchet.generate.local import TransformersSampler

        folder = models.fetch(self._context.store, self._context.round.seed)
        return TransformersSampler(
            folder, self._bank, self.label, self._config.batch_size, self._config.dtype, on_batch=self._advance
        )

    def _advance(self, completions: int) -> None:
        self._done += completions
        self._context.progress(self._done, self._total, "completions")


def params_of(config: GenerateConfig, seed: int) -> SamplingParams:
    """The sampler's part of a stage's configuration."""
    shared = config.model_dump(include=set(SamplingParams.model_fields) - {"seed"})
    return SamplingParams(**shared, seed=seed)


def chosen(pool: Artifact[Prompt], most: int, salt: str) -> frozenset[str]:
    """Ids of at most `most` prompts: those with the smallest salted hash, so each round draws its own from a large pool.

    Only the id column is kept in memory.
    """
    ids = (id_ for table in pool.tables() for id_ in table.column("id").to_pylist())
    if pool.manifest.rows <= most:
        return frozenset(ids)
    return frozenset(heapq.nsmallest(most, ids, key=lambda id_: (derived_seed(salt, id_), id_)))


def count(groups: Iterable[Group], tally: Counter[tuple[str, str]]) -> None:
    """Add to the tally, by (skill, what)."""
    for group in groups:
        skill = group.prompt.skill
        tally[skill, "prompts"] += 1
        tally[skill, "completions"] += len(group.completions)
        tally[skill, "tokens"] += sum(c.n_tokens for c in group.completions)
        tally[skill, "clipped"] += sum(c.finish_reason == "length" for c in group.completions)


def totals(tally: Counter[tuple[str, str]]) -> dict[str, int]:
    """The tally over all skills."""
    return {what: sum(n for (_, w), n in tally.items() if w == what) for what in COUNTED}


def by_skill(tally: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """The tally of each skill."""
    return {skill: {what: tally[skill, what] for what in COUNTED} for skill in sorted({s for s, _ in tally})}
