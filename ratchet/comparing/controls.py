"""The arms that a method must beat: what else could explain a gain."""

from __future__ import annotations

from ratchet import recipe as recipes
from ratchet.comparing.ground import Ground
from ratchet.errors import RecipeError
from ratchet.promptset import PromptSet
from ratchet.recipe import Recipe
from ratchet.tinyworld.controls import labels_again, labels_set, no_verifier
from ratchet.tinyworld.seed import SEED_DIR

LABELS = "labels-again"
"""The seed's own labelled rows again: more training by itself."""
NO_VERIFIER = "no-verifier"
"""One sample a prompt, right or wrong: checking must matter."""
LIKE = "rft"
"""The recipe whose training the controls share."""


def control(name: str, ground: Ground) -> tuple[Recipe, PromptSet]:
    """The control's recipe and the set that it learns from. Raises RecipeError where there can be none."""
    like = recipes.load(LIKE)
    if name == NO_VERIFIER:
        return no_verifier(like), ground.prompts(None)
    if not ground.drawn:
        raise RecipeError(
            "the rows that this seed was taught are not known: this control needs the tiny world's seed (--seed tinyworld, no --prompts)"
        )
    if ground.seed.digest != _shipped():
        raise RecipeError(
            "the rows that this seed was taught are not known: this control needs the seed that ships with ratchet (--seed tinyworld)"
        )
    return labels_again(like, 1), labels_set(ground.store)


def _shipped() -> str:
    from ratchet.model_files import describe, files_digest

    return files_digest(describe(SEED_DIR))
