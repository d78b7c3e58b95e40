"""Measure one model on given prompts: greedy answers, samples of some, verdicts, outcomes. Used in and out of rounds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from ratchet import models
from ratchet.artifacts import ImageBank, ModelRef
from ratchet.evaluate.outcomes import ModelRole, Outcome
from ratchet.evaluate.scoring import score
from ratchet.generate import BatchHook, Sampler, SamplingParams, derived_seed
from ratchet.generate.engine import Engine
from ratchet.generate.engines import open_engine
from ratchet.recipe import EngineConfig, EvaluateConfig, GenerateConfig, PassAtKConfig
from ratchet.records import Group, Prompt
from ratchet.store import Store
from ratchet.verify.environments import for_prompts

SHARD_ROWS = 450
"""Prompts that are answered at once; what a killed evaluation loses at most."""


def measure(
    store: Store,
    model: ModelRef | Path,
    prompts: Sequence[Prompt],
    bank: ImageBank,
    config: EvaluateConfig,
    *,
    salt: str = "",
    role: ModelRole = "candidate",
    sampler: Sampler | None = None,
    on_batch: BatchHook | None = None,
) -> list[Outcome]:
    """Outcomes of `model` (a reference into `store`, or a folder) on the prompts, in their order.

    Two models are measured alike when prompts, config and salt are the same. `sampler` stands in for the model's own.
    Raises ModelError, SamplingError and VerifierError.
    """
    if sampler is None:
        engine = sampler_of(store, model, bank, config, on_batch)
        try:
            return measure(store, model, prompts, bank, config, salt=salt, role=role, sampler=engine)
        finally:
            engine.close()
    also_sampled = subset(((p.id, p.skill) for p in prompts), config.pass_at_k, salt)
    outcomes: list[Outcome] = []
    verifiers = for_prompts(bank)
    for start in range(0, len(prompts), SHARD_ROWS):
        shard = prompts[start : start + SHARD_ROWS]
        greedy, sampled = answers(sampler, shard, also_sampled, config, salt)
        outcomes += score(greedy, sampled, role, verifiers=verifiers)
    return outcomes


def sampler_of(
    store: Store, model: ModelRef | Path, bank: ImageBank, config: EvaluateConfig, on_batch: BatchHook | None = None
) -> Engine:
    """The engine of a model, fetched where it is a reference. Whoever opens it closes it."""
    folder = model if isinstance(model, Path) else models.fetch(store, model)
    label = model.name if isinstance(model, Path) else model.label
    return open_engine(engine_settings(config.engine, config), folder, bank, label, on_batch)


def engine_settings(engine: EngineConfig, config: EvaluateConfig) -> GenerateConfig:
    """How an engine is opened for an evaluation."""
    return GenerateConfig(
        engine=engine, batch_size=config.batch_size, dtype=config.dtype, max_new_tokens=config.max_new_tokens, k=1
    )


def answers(
    sampler: Sampler, prompts: Sequence[Prompt], also_sampled: Collection[str], config: EvaluateConfig, salt: str
) -> tuple[list[Group], list[Group]]:
    """(greedy answers of all prompts, samples of those in `also_sampled`)."""
    greedy = list(sampler.sample(prompts, greedy_params(config)))
    drawn = [prompt for prompt in prompts if prompt.id in also_sampled]
    if config.pass_at_k is None or not drawn:
        return greedy, []
    return greedy, list(sampler.sample(drawn, sampled_params(config, config.pass_at_k, salt)))


def greedy_params(config: EvaluateConfig) -> SamplingParams:
    """One answer, the likeliest token each time."""
    return SamplingParams(strategy="greedy", k=1, temperature=0.0, max_new_tokens=config.max_new_tokens)


def sampled_params(config: EvaluateConfig, samples: PassAtKConfig, salt: str) -> SamplingParams:
    """k answers; the seed depends on the salt alone, so all models draw with the same random numbers."""
    return SamplingParams(
        k=samples.k,
        temperature=samples.temperature,
        max_new_tokens=config.max_new_tokens,
        seed=derived_seed(salt, "evaluate"),
    )


def subset(items: Iterable[tuple[str, str]], samples: PassAtKConfig | None, salt: str) -> frozenset[str]:
    """Ids of the prompts that are also sampled, of (id, skill) pairs: salted choice, each skill by its share."""
    if samples is None:
        return frozenset()
    by_skill: dict[str, list[str]] = defaultdict(list)
    for id_, skill in items:
        by_skill[skill].append(id_)
    # Each skill's prompts lie evenly on 0..1 in a random order; the lowest of all skills together are taken.
    ranked = sorted(
        ((rank + 0.5) / len(ids), skill, id_)
        for skill, ids in by_skill.items()
        for rank, id_ in enumerate(sorted(ids, key=lambda id_: (derived_seed(salt, "pass@k", id_), id_)))
    )
    return frozenset(id_ for _, _, id_ in ranked[: samples.prompts])
