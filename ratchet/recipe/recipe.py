"""All of a round's recipe."""

from __future__ import annotations

from pydantic import Field, model_validator

from ratchet import canonical
from ratchet.recipe.alarms import AlarmsConfig
from ratchet.recipe.evaluating import EvaluateConfig
from ratchet.recipe.filter_checks import check_filter
from ratchet.recipe.filtering import FilterConfig
from ratchet.recipe.generate import GenerateConfig
from ratchet.recipe.guide import check_guides
from ratchet.recipe.organise import VerifyConfig
from ratchet.recipe.preference_checks import check_preference
from ratchet.recipe.promoting import PromoteConfig
from ratchet.recipe.promotion_checks import check_promotion
from ratchet.recipe.prompts import PromptsConfig
from ratchet.recipe.rewarding import reward_policy
from ratchet.recipe.shown_checks import check_shown
from ratchet.recipe.train import TrainConfig
from ratchet.records import Record

WORDS = ("name", "description", "source", "step", "simplified")
"""What is said of a recipe and changes nothing that it does."""


class Recipe(Record):
    """All of a round."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    description: str = ""
    source: str | None = Field(None, description="the paper that the recipe follows")
    step: str | None = Field(None, description="the step of that paper that only this recipe takes")
    simplified: str | None = Field(None, description="what the paper does otherwise, and this recipe leaves out")
    seed: int | None = Field(None, description="makes the rounds' salts repeatable; null: random salts")
    prompts: PromptsConfig = PromptsConfig()
    generate: GenerateConfig = GenerateConfig()
    verify: VerifyConfig = VerifyConfig()
    filter: FilterConfig = FilterConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    promote: PromoteConfig = PromoteConfig()
    alarms: AlarmsConfig = AlarmsConfig()

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        check_filter(self.filter, self.verify, self.train)
        check_promotion(self.promote, self.evaluate, self.prompts)
        check_guides(self.generate, self.prompts)
        if self.train.method == "dpo" and not self.generate.negatives and self.generate.plain_k == 1:
            raise ValueError(
                "train.method dpo needs at least two completions a prompt; set generate.k to 2 or more, or add negatives"
            )
        check_preference(self.generate, self.filter, self.train)
        check_shown(self.generate, self.train)
        reward_policy(self.verify, self.train)
        return self

    def sources(self) -> tuple[str, ...]:
        """Models beside the seed that the round works with, as the recipe names them; begin pins them."""
        return tuple(sorted({*self.verify.sources(), *self.filter.sources()}))

    @property
    def digest(self) -> str:
        """Identity of what is learned: everything but the words."""
        return canonical.digest(self.model_dump(mode="json", exclude=set(WORDS)))
