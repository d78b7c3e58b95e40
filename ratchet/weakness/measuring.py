"""Measure what a model is weak at, in a round and out of one. Only the validation split is ever opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ratchet.artifacts import ImageBank, ModelRef
from ratchet.errors import PromptSetError
from ratchet.evaluate.measuring import SHARD_ROWS, greedy_params, sampler_of
from ratchet.evaluate.remembering import Remembering
from ratchet.generate import BatchHook, Sampler
from ratchet.generate.probe import verdict
from ratchet.generate.resuming import chunks
from ratchet.generate.tally import failed
from ratchet.promptset import PromptSet, open_part
from ratchet.recipe import EvaluateConfig, Recipe
from ratchet.records import Group, Prompt
from ratchet.stage import StageContext
from ratchet.store import Store
from ratchet.verify.judging import rights
from ratchet.weakness.keeping import keep, place
from ratchet.weakness.report import Tally, Weakness

BANDS = 3


def bands_of(recipe: Recipe) -> int:
    """Difficulty bands of a recipe's reports."""
    return recipe.generate.weakness.bands if recipe.generate.weakness is not None else BANDS


def measured(
    store: Store,
    model: ModelRef,
    prompts: PromptSet,
    config: EvaluateConfig,
    bands: int,
    *,
    sampler: Sampler | None = None,
    on_batch: BatchHook | None = None,
) -> Weakness:
    """What `model` gets wrong on the validation split of `prompts`, judged by what each prompt names.

    Raises PromptSetError where the set has no such split.
    """
    if not prompts.rows.get("validation"):
        raise PromptSetError(
            f"prompt set {prompts.name} has no validation split, and weaknesses are measured on no other: import a set with one, "
            "or raise prompts.validation of the recipe."
        )
    part = open_part(store, prompts, "validation")
    bank = ImageBank(store, part.manifest.packs)
    engine = sampler if sampler is not None else sampler_of(store, model, bank, config, on_batch)
    tally = Tally(bands)
    for some in chunks(part.rows(), SHARD_ROWS):
        for group, right in _answered(engine, some, config, bank):
            tally.add(group.prompt, group.completions[0].text, right)
        tally.asked += len(some)
    tally.unanswered = tally.asked - tally.answers
    return tally.report(model, prompts.digest)


def _answered(
    engine: Sampler, prompts: Sequence[Prompt], config: EvaluateConfig, bank: ImageBank
) -> Iterator[tuple[Group, bool | None]]:
    there = [group for group in engine.sample(prompts, greedy_params(config)) if not failed(group)]
    yield from zip(there, map(verdict, rights(there, bank=bank)), strict=True)


def in_round(context: StageContext, model: ModelRef, engine: Remembering) -> None:
    """The report on one of a round's models, for evaluate, which has its engine open: whichever becomes champion, the next round
    finds its report. What lies there is not measured again."""
    opened, store = context.round, context.store
    bands = bands_of(opened.recipe)
    if store.exists(place(opened.prefix, model, opened.prompts, bands, None)):
        return
    prompts = context.prompt_set()
    if prompts.rows.get("validation"):
        engine.bank = ImageBank(store, open_part(store, prompts, "validation").manifest.packs)
    found = measured(store, model, prompts, opened.recipe.evaluate, bands, sampler=engine)
    context.check_lease()
    keep(store, opened.prefix, found, None)
