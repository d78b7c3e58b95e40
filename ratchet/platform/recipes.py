"""What a loop's rounds are started with: the recipe as the pipeline gets it, checked before it travels."""

from __future__ import annotations

from pathlib import Path

from ratchet import recipe as recipes
from ratchet.operations.policy import LoopPolicy
from ratchet.profile import Profile
from ratchet.store import Store

DEFAULT = "rft"
_DRAWN = "tinyworld"


def policy_of(
    known: LoopPolicy | None,
    profile: Profile,
    recipe: str | None,
    *,
    prompts: str | None = None,
    seed: str | None = None,
    budget: float | None = None,
) -> LoopPolicy:
    """The loop's policy with what is given now. Raises RecipeError for a recipe that is not valid, or needs more than the profile has."""
    text = recipe_argument(recipe if recipe is not None else known.recipe if known is not None else DEFAULT, prompts)
    profile.check(recipes.load(text))
    given = {name: value for name, value in (("seed", seed), ("budget", budget)) if value is not None}
    return (known or LoopPolicy(recipe=text)).model_copy(update={"recipe": text, **given})


def recipe_argument(given: str, prompts: str | None = None) -> str:
    """What the pipeline gets: a shipped name, or the text; a file of this machine is not on the cluster.

    With `prompts` the recipe takes that set in place of its own.
    """
    loaded = recipes.load(given)
    if prompts is not None and prompts != loaded.prompts.source:
        changed = loaded.prompts.model_copy(update={"source": prompts})
        return recipes.dump(loaded.model_copy(update={"prompts": changed}))
    if given in recipes.names() or not _is_file(given):
        return given
    return Path(given).read_text(encoding="utf-8")


def check_prompts(store: Store, recipe: str) -> None:
    """Raise PromptSetError when the store does not have the set that the recipe asks."""
    from ratchet.promptset import open_set

    source = recipes.load(recipe).prompts.source
    if source != _DRAWN:
        open_set(store, source)


def _is_file(given: str) -> bool:
    return "\n" not in given and len(given) < 1024 and Path(given).is_file()
