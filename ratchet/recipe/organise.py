"""How completions are checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field, FiniteFloat, model_validator

from ratchet.recipe.audit import COMBINED, AuditConfig
from ratchet.recipe.judges import SEED, JudgeConfig
from ratchet.recipe.verifiers import OWN, VerifierConfig, Verifiers
from ratchet.records import Record


class VerifyConfig(Record):
    """Which verifiers check the completions, and how their verdicts become one.

    `weights`, `required` and `vetoes` name verifiers as verdicts call them; `prompt` stands for those that prompts name.
    """

    verifiers: Verifiers | None = Field(
        None, description="names or mappings; null, or `prompt` among them: those that each prompt names"
    )
    judges: dict[str, JudgeConfig] = Field(default_factory=dict, description="models that verifiers ask, by name")
    policy: Literal["all", "mean", "weighted", "none"] = Field(
        "all",
        description="all must pass; mean: mean score; weighted: mean by `weights`; none: everything passes (control arms only)",
    )
    weights: dict[str, FiniteFloat] = Field(
        default_factory=dict,
        description="policy weighted: share of the score by verifier; those not named do not count",
    )
    required: tuple[str, ...] = Field((), description="verifiers that must pass, whatever the score")
    vetoes: tuple[str, ...] = Field((), description="verifiers that fail an answer, and else do not count")
    threshold: float = Field(1.0, ge=0, le=1, description="least combined score that passes: policies mean, weighted")
    timeout_seconds: float = Field(10.0, gt=0, description="limit for one batch of verdicts; over it they are unscored")
    max_error_share: float = Field(
        0.2, ge=0, le=1, description="a larger share of verdicts that broke (crash, timeout, judge) stops the stage"
    )
    audit: AuditConfig | None = Field(None, description="measure the verifiers each round; null: not")

    @model_validator(mode="after")
    def _fits_together(self) -> VerifyConfig:
        for one in self.verifiers or ():
            judge = getattr(one, "judge", None)
            if isinstance(judge, str) and judge != SEED and judge not in self.judges:
                raise ValueError(
                    f"verifier {one.called} asks judge {judge!r}, which verify.judges does not name; "
                    f"there are: {', '.join(sorted({SEED, *self.judges}))}"
                )
        if SEED in self.judges and self.judges[SEED].source is not None:
            raise ValueError("judge seed is the round's seed; give another model another name in verify.judges")
        self._check_combining()
        return self

    def _check_combining(self) -> None:
        if self.policy == "weighted" and not any(weight > 0 for weight in self.weights.values()):
            raise ValueError("policy weighted needs verify.weights with at least one above 0")
        if self.policy != "weighted" and self.weights:
            raise ValueError(
                f"verify.weights is not used by policy {self.policy}; set policy to weighted, or remove it"
            )
        below = sorted(name for name, weight in self.weights.items() if weight < 0)
        if below:
            raise ValueError(
                f"weights of {', '.join(below)} are below 0; to fail answers by a verifier, put it in vetoes"
            )
        unused = sorted(name for name in self.vetoes if self.weights.get(name))
        if unused:
            raise ValueError(
                f"{', '.join(unused)}: a veto only fails, and its weight would not count; remove one of both"
            )
        if self.verifiers is None:
            return
        called = {one.called for one in self.verifiers}
        if self.policy in ("all", "mean") and called <= set(self.vetoes):
            raise ValueError(
                f"all verifiers are vetoes, which only fail: nothing could pass by policy {self.policy}; take one out of vetoes"
            )
        # What prompts name is only known when they are read.
        audited = {*self.audit.min_precision} - {COMBINED} if self.audit is not None else set()
        unknown = set() if OWN in called else {*self.weights, *self.required, *self.vetoes, *audited} - called
        if unknown:
            raise ValueError(
                f"{', '.join(sorted(unknown))}: no verifier of the recipe is called so; there are: {', '.join(sorted(called))}"
            )

    @property
    def chosen(self) -> tuple[VerifierConfig, ...]:
        """The verifiers' configurations; empty where each prompt's own decide alone."""
        return self.verifiers or ()

    @property
    def asks_models(self) -> bool:
        """Whether a verifier of the recipe works with a model; those that prompts name never do."""
        return any(
            one.evidence == "model" or hasattr(one, "judge") or getattr(one, "model", None) is not None
            for one in self.chosen
        )

    def sources(self) -> Iterable[str]:
        """Models that must be pinned before the round works with them."""
        judges = (judge.source for judge in self.judges.values())
        models = (getattr(one, "model", None) for one in self.chosen)
        return sorted({source for source in (*judges, *models) if source is not None and source != SEED})
