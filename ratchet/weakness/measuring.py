"""Measure what a model is weak at, in and out of a round. Only the validation split is ever opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ratchet import rounds
from ratchet.artifacts import ImageBank, ModelRef
from ratchet.begin.stage import as_ref, no_champion
from ratchet.errors import PromptSetError, RoundError
from ratchet.evaluate.measuring import SHARD_ROWS, greedy_params, sampler_of
from ratchet.generate import BatchHook, Sampler
from ratchet.generate.probe import verdict
from ratchet.generate.resuming import chunks
from ratchet.generate.tally import failed
from ratchet.promptset import PromptSet, find, open_part
from ratchet.recipe import EvaluateConfig, Recipe
from ratchet.records import Group, Prompt
from ratchet.registry import open_registry
from ratchet.rounds import Round
from ratchet.settings import Settings
from ratchet.stage import StageContext
from ratchet.store import Store, open_store
from ratchet.verify.judging import rights
from ratchet.weakness.keeping import keep, of_round, place, read
from ratchet.weakness.report import Tally, Weakness

BANDS = 3


@dataclass(frozen=True)
class Wanted:
    """Whose weaknesses: `version` of the loop, None its champion; `number`: as that round's artifacts tell them, None: the
    newest round that tells of this model; `measure` anew what is stored already."""

    loop: str
    version: str | None = None
    number: int | None = None
    measure: bool = False


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


def after(context: StageContext, models: Iterable[ModelRef]) -> None:
    """Reports on a round's models, for evaluate: whichever becomes champion, the next round finds its report."""
    opened, store = context.round, context.store
    bands = bands_of(opened.recipe)
    for model in models:
        if store.exists(place(opened.prefix, model, opened.prompts, bands, None)):
            continue
        with context.clock("weakness"):
            found = measured(store, model, context.prompt_set(), opened.recipe.evaluate, bands)
        context.check_lease()
        keep(store, opened.prefix, found, None)


def of_loop(settings: Settings, wanted: Wanted, on_batch: BatchHook | None = None) -> Weakness:
    """A model's report: out of the rounds' artifacts, or measured now and kept with the loop.

    Raises RoundError for a loop without champion or round, or a round without a report.
    """
    store = open_store(settings.root)
    known = rounds.numbers(store, rounds.check_loop_name(wanted.loop))
    if not known:
        raise RoundError(
            f"loop {wanted.loop} has no round yet, so no prompts to measure on; `ratchet run --loop {wanted.loop} --recipe NAME` runs one."
        )
    model = _model(settings, store, wanted)
    if wanted.number is not None:
        return _of_round(store, wanted, model)
    if not wanted.measure:
        for number in reversed(known):
            for found in of_round(store, wanted.loop, number, model.digest):
                return found
    return _now(store, rounds.read_round(store, wanted.loop, known[-1]), model, wanted.measure, on_batch)


def _model(settings: Settings, store: Store, wanted: Wanted) -> ModelRef:
    registry = open_registry(settings, store)
    version = (
        registry.version(wanted.loop, wanted.version) if wanted.version is not None else registry.champion(wanted.loop)
    )
    if version is None:
        raise RoundError(no_champion(wanted.loop))
    return as_ref(version)


def _of_round(store: Store, wanted: Wanted, model: ModelRef) -> Weakness:
    """A round's own report, on the wanted version where one is named, else on the model that it asked most."""
    number = wanted.number or 0
    rounds.read_round(store, wanted.loop, number)
    found = next(of_round(store, wanted.loop, number, model.digest if wanted.version is not None else ""), None)
    if found is None:
        raise RoundError(
            f"round {number} of loop {wanted.loop} has no report on weaknesses{'' if wanted.version is None else ' of version ' + wanted.version}: "
            "its recipe sets neither generate.weakness nor evaluate.weakness. Leave --round out to measure now."
        )
    return found


def _now(store: Store, last: Round, model: ModelRef, anew: bool, on_batch: BatchHook | None) -> Weakness:
    prompts = find(store, last.prompts)
    if prompts is None:
        raise RoundError(
            f"the prompt set of round {last.number} is not complete under {store.root}; `ratchet resume --loop {last.loop}` finishes it."
        )
    bands, prefix = bands_of(last.recipe), rounds.loop_prefix(last.loop)
    key = place(prefix, model, prompts.digest, bands, None)
    if not anew and store.exists(key):
        return read(store, key)
    found = measured(store, model, prompts, last.recipe.evaluate, bands, on_batch=on_batch)
    if anew:
        store.delete(key)
    return keep(store, prefix, found, None)

