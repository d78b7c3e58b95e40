"""The prompt sets of a round: drawn fresh from a procedural world, or an imported set that is there already.

The tiny world draws pool, validation and holdout anew for each round (from its salt), and one report split a loop.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ratchet import canonical
from ratchet.errors import PromptSetError
from ratchet.progress import Progress, silent
from ratchet.promptset import SPLIT_NAMES, find, open_set
from ratchet.recipe import PromptsConfig
from ratchet.rounds import Round
from ratchet.store import Store

TINYWORLD = "tinyworld"
ROUND_SPLITS = ("pool", "validation", "holdout")


@dataclass(frozen=True)
class PromptPlan:
    """Digests of the sets that a round reads, and the family at which looks are counted."""

    prompts: str
    report: str
    family: str
    pictures: str | None = None


def plan(store: Store, config: PromptsConfig, loop: str, salt: str) -> PromptPlan:
    """Decide the round's prompt sets without drawing them. Raises PromptSetError for a set that is not there or too small."""
    planned = _plan(store, config, loop, salt)
    return planned if config.pictures is None else replace(planned, pictures=_pictures(store, config.pictures))


def _pictures(store: Store, name: str) -> str:
    """Digest of the set that the recipe takes its pool from."""
    try:
        found = open_set(store, name)
    except PromptSetError as error:
        raise PromptSetError(
            f"{error} For pictures without questions: `ratchet import FOLDER --pictures --name {name}`."
        ) from None
    if not found.rows.get("pool"):
        raise PromptSetError(
            f"prompt set {found.name} has no pool, so there is nothing to ask about (prompts.pictures). "
            "Import pictures with `ratchet import SOURCE --pictures`."
        )
    return found.digest


def _plan(store: Store, config: PromptsConfig, loop: str, salt: str) -> PromptPlan:
    if config.source == TINYWORLD:
        from ratchet.importing import tinyworld

        tinyworld.check_skills(config)
        return PromptPlan(
            prompts=tinyworld.set_digest(salt, config, ROUND_SPLITS),
            report=tinyworld.set_digest(report_salt(loop), report_config(config), ("report",)),
            family=tinyworld.family(),
        )
    imported = open_set(store, config.source)
    missing = [s for s in SPLIT_NAMES if not imported.rows.get(s)]
    if missing:
        raise PromptSetError(
            f"prompt set {imported.name} has no prompts in {', '.join(missing)}: a round needs all four splits. "
            "Import more prompts, or give other shares (`ratchet import --help`)."
        )
    return PromptPlan(prompts=imported.digest, report=imported.digest, family=imported.family)


def described(store: Store, plan: PromptPlan) -> str:
    """Name and source of the imported set whose pool the round asks; empty for sets that are drawn."""
    found = find(store, plan.pictures or plan.prompts)
    return "" if found is None or found.source == TINYWORLD else f"{found.name} {found.source}"


def draw(store: Store, opened: Round, progress: Progress = silent) -> None:
    """Draw what the plan names and the store does not have. Safe to run again."""
    config = opened.recipe.prompts
    if config.source != TINYWORLD:
        return
    from ratchet.importing import tinyworld

    sets = (
        (opened.prompts, opened.salt, config, ROUND_SPLITS, f"{opened.loop}-{opened.number:04d}"),
        (opened.report, report_salt(opened.loop), report_config(config), ("report",), f"{opened.loop}-report"),
    )
    for number, (digest, salt, settings, splits, name) in enumerate(sets):
        progress(number, len(sets), "prompt sets")
        if find(store, digest) is None:
            tinyworld.tinyworld_set(store, salt=salt, config=settings, splits=splits, name=name)
    progress(len(sets), len(sets), "prompt sets")


def report_salt(loop: str) -> str:
    """The report split is drawn once for a loop, whatever its rounds do."""
    return canonical.digest(["report", loop])[:32]


def report_config(config: PromptsConfig) -> PromptsConfig:
    """Only what the report split depends on, so that a recipe with another pool still has the same report split."""
    return PromptsConfig(report=config.report, skills=config.skills)
