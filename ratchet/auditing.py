"""Measure the verifiers of a recipe outside of a round: on the validation prompts of a loop, with its champion as the seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ratchet import canonical, rounds
from ratchet import recipe as recipes
from ratchet.artifacts import Artifact, ImageBank, ModelRef
from ratchet.begin.prompts import TINYWORLD
from ratchet.begin.stage import as_ref, no_champion, pin
from ratchet.errors import RoundError, VerifierError
from ratchet.generate.sampling import derived_seed
from ratchet.promptset import PromptSet, find, open_part, open_set
from ratchet.recipe import Recipe
from ratchet.recipe.audit import AuditConfig
from ratchet.records import Prompt
from ratchet.registry import open_registry
from ratchet.settings import Settings
from ratchet.store import Store, open_store
from ratchet.verify.audit.auditing import Watch, silent
from ratchet.verify.audit.labels import read_labels
from ratchet.verify.audit.making import Wanted, measured, measured_labels
from ratchet.verify.audit.result import AuditResult
from ratchet.verify.tools import Tools


@dataclass(frozen=True)
class AuditOptions:
    """What is asked of an audit. `recipe` None: that of the loop's last round. `prompts` and `k` None: the recipe's audit's,
    or the defaults. `labels` is a file of what people say is right; `people` takes what they said in `ratchet review` in its place."""

    loop: str
    recipe: str | None = None
    prompts: int | None = None
    k: int | None = None
    labels: Path | None = None
    people: bool = False

    def config(self, recipe: Recipe) -> AuditConfig:
        given = {"prompts": self.prompts, "k": self.k}
        changes = {name: value for name, value in given.items() if value is not None}
        return (recipe.verify.audit or AuditConfig()).model_copy(update=changes)


def audit_loop(settings: Settings, options: AuditOptions, watch: Watch = silent) -> AuditResult:
    """The verifiers of a recipe, measured on a loop's validation prompts. Nothing of the loop changes; the same call gives the
    same figures.

    Raises RoundError for a loop without champion or without round and recipe, VerifierError where there is nothing to
    measure on, or for a verifier that is not known.
    """
    store = open_store(settings.root)
    registry = open_registry(settings, store)
    champion = registry.champion(rounds.check_loop_name(options.loop))
    if champion is None:
        raise RoundError(no_champion(options.loop))
    recipe = _recipe(store, options)
    prompts = _prompts(store, recipe, options)
    if options.people:
        return _by_people(store, options, recipe, as_ref(champion), pin(store, registry, recipe), prompts, watch)
    part = _validation(store, prompts)
    labels = None if options.labels is None else read_labels(options.labels)
    tools = _tools(store, as_ref(champion), recipe, pin(store, registry, recipe), prompts)
    try:
        wanted = Wanted(recipe, options.config(recipe), labels, truth="prompt" if labels is None else "labels")
        return measured(tools, part, prompts.name, wanted, watch)
    finally:
        tools.close()


def _by_people(
    store: Store,
    options: AuditOptions,
    recipe: Recipe,
    seed: ModelRef,
    pinned: Mapping[str, ModelRef],
    prompts: PromptSet,
    watch: Watch,
) -> AuditResult:
    """On the answers of earlier rounds that people have labelled: of the pool, never of the holdout."""
    from ratchet.review.audited import labels_for_audit

    labels, labelled, packs = labels_for_audit(store, options.loop)
    tools = _tools(store, seed, recipe, pinned, prompts)
    try:
        wanted = Wanted(recipe, options.config(recipe), labels, truth="labels")
        return measured_labels(tools, labelled, packs, f"loop {options.loop}", wanted, watch)
    finally:
        tools.close()


def _recipe(store: Store, options: AuditOptions) -> Recipe:
    if options.recipe is not None:
        return recipes.load(options.recipe)
    known = rounds.numbers(store, options.loop)
    if not known:
        raise RoundError(
            f"loop {options.loop} has no round whose recipe could be measured; name one: "
            f"`ratchet verify audit --loop {options.loop} --recipe NAME`."
        )
    return rounds.read_round(store, options.loop, known[-1]).recipe


def _prompts(store: Store, recipe: Recipe, options: AuditOptions) -> PromptSet:
    """The set that the recipe's rounds ask: the imported one, or that of the loop's last round, or one drawn for the audit."""
    if recipe.prompts.source != TINYWORLD:
        return open_set(store, recipe.prompts.source)
    known = rounds.numbers(store, options.loop)
    last = rounds.read_round(store, options.loop, known[-1]) if known else None
    if (
        last is not None
        and last.recipe.prompts.source == TINYWORLD
        and (found := find(store, last.prompts)) is not None
    ):
        return found
    from ratchet.importing.tinyworld import tinyworld_set

    salt = canonical.digest(["audit", options.loop])[:32]
    return tinyworld_set(store, salt=salt, config=recipe.prompts, splits=("validation",), name=f"{options.loop}-audit")


def _validation(store: Store, prompts: PromptSet) -> Artifact[Prompt]:
    if not prompts.rows.get("validation"):
        raise VerifierError(
            f"prompt set {prompts.name} has no validation split, and no other may be looked at: import a set with one "
            "(`ratchet import --help`), or raise prompts.validation of the recipe."
        )
    return open_part(store, prompts, "validation")


def _tools(store: Store, seed: ModelRef, recipe: Recipe, pinned: Mapping[str, ModelRef], prompts: PromptSet) -> Tools:
    draw = derived_seed("audit", prompts.digest)
    return Tools(store, ImageBank(store, ()), seed, recipe.verify.judges, pinned, draw)
