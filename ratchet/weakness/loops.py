"""A loop's report on weaknesses: out of its rounds' artifacts, or measured now."""

from __future__ import annotations

from dataclasses import dataclass

from ratchet import rounds
from ratchet.artifacts import ModelRef
from ratchet.begin.stage import as_ref, no_champion
from ratchet.errors import RoundError
from ratchet.generate import BatchHook
from ratchet.promptset import find
from ratchet.registry import open_registry
from ratchet.rounds import Round
from ratchet.settings import Settings
from ratchet.store import Store, open_store
from ratchet.weakness.keeping import keep, of_round, place, read
from ratchet.weakness.measuring import bands_of, measured
from ratchet.weakness.report import Weakness


@dataclass(frozen=True)
class Wanted:
    """Whose weaknesses: `version` of the loop, None its champion; `number`: as that round's artifacts tell them, None: the
    newest round that tells of this model; `measure` anew what is stored already."""

    loop: str
    version: str | None = None
    number: int | None = None
    measure: bool = False


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
