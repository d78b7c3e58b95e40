"""The suites of a round, prepared by begin and pinned by their digests; by their first use in a round that pins none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ratchet import canonical
from ratchet.errors import RecipeError
from ratchet.recipe import Recipe, SuiteConfig
from ratchet.rounds import Round
from ratchet.store import Store

if TYPE_CHECKING:
    from ratchet.evaluate.suites.preparing import Origin, Prepared


def digests(store: Store, opened: Round) -> dict[str, str]:
    """What of the round's suites the outcomes depend on: their items, and who marks them."""
    chosen = opened.recipe.evaluate.suites
    found = {f"suite {config.name}": prepared(store, opened, config).digest for config in chosen}
    if any(config.judge for config in chosen):
        pinned = {source: ref.digest for source, ref in sorted(opened.models.items())}
        judges = {name: one.model_dump(mode="json") for name, one in sorted(opened.recipe.verify.judges.items())}
        found["judges"] = canonical.digest([judges, pinned])
    return found


def pin_suites(store: Store, recipe: Recipe, salt: str) -> dict[str, str]:
    """Prepare the recipe's suites; their digests by name. Raises RecipeError and FileProblem before anything is computed."""
    if not recipe.evaluate.suites:
        return {}
    from ratchet.evaluate.suites.preparing import prepare

    check(recipe)
    return {one.name: prepare(store, _origin(one, salt)).digest for one in recipe.evaluate.suites}


def check(recipe: Recipe) -> None:
    """Raise RecipeError for a suite that there is not or that is asked for what it does not have, or whose judge is not in
    verify.judges. Reads no files."""
    from ratchet.evaluate.suites import suite
    from ratchet.evaluate.suites.running import check_judge

    for one in recipe.evaluate.suites:
        check_judge(suite(one.name), one)
        _origin(one, "").check()
        if one.judge is not None and one.judge not in recipe.verify.judges:
            there = ", ".join(sorted(recipe.verify.judges)) or "none"
            raise RecipeError(
                f"evaluate.suites: {one.name} names judge {one.judge!r}; in verify.judges there are: {there}."
            )


def prepared(store: Store, opened: Round, config: SuiteConfig) -> Prepared:
    """A suite of the round, by its pinned digest."""
    from ratchet.evaluate.suites import preparing, suite

    digest = opened.suites.get(config.name)
    if digest is not None:
        return preparing.opened(store, suite(config.name), digest)
    return preparing.prepare(store, _origin(config, opened.salt))


def _origin(config: SuiteConfig, salt: str) -> Origin:
    from ratchet.evaluate.suites import suite
    from ratchet.evaluate.suites.preparing import Origin

    return Origin(suite(config.name), config, salt)
