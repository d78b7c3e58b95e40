"""When a candidate becomes champion: the gate's policy."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from ratchet.records import Record


class GuardsConfig(Record):
    """Non-inferiority margins, in the unit of the metric (0..1); null switches a guard off.

    A guard passes when the one-sided lower bound (level `alpha`) of candidate minus champion lies above minus the margin.
    `suites` guards the mean score an item of suites that `evaluate` measures: {pope: 0.02}. `cover` guards how much of what is there
    is named, in these suites and the primary one, as far as they are of descriptions: saying less is the easy way to fewer mistakes.
    """

    alpha: float = Field(0.05, gt=0, lt=0.5)
    skill: float | None = Field(0.08, gt=0, lt=1, description="accuracy of each skill")
    chair_i: float | None = Field(0.05, gt=0, lt=1, description="share of mentioned objects that are not there")
    pass_at_k: float | None = Field(0.05, gt=0, lt=1, description="diversity: right at least once in k samples")
    yes_ratio: float | None = Field(0.1, gt=0, lt=1, description="distance of the share of yes from its true share")
    cover: float | None = Field(0.05, gt=0, lt=1, description="share of what is there that a suite's descriptions name")
    suites: dict[str, float] = {}

    @model_validator(mode="after")
    def _margins_are_shares(self) -> GuardsConfig:
        wrong = {name: margin for name, margin in self.suites.items() if not 0 < margin < 1}
        if wrong:
            raise ValueError(f"guards.suites {wrong}: a margin lies between 0 and 1 (0.02 is two points)")
        return self


class PrimaryConfig(Record):
    """What must become better: the mean of `measure` over the holdout's items, those of one skill, or those of a suite.

    `accuracy` is the share of items with the full score, and the default for the holdout. A suite's default is `score`, the mean of
    its items' scores; either may differ from the figure that the suite itself puts first (POPE's F1, pairs of MMVP).
    """

    measure: Literal["accuracy", "score"] = "accuracy"
    skill: str | None = None
    suite: str | None = Field(None, description="a suite that evaluate measures, in place of the holdout")

    @model_validator(mode="before")
    @classmethod
    def _suites_have_scores(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("suite") is not None:
            return {"measure": "score", **given}
        return given


class SpendingConfig(Record):
    """How alpha is shared out over the looks.

    `series`: 6 / (pi^2 r^2) of it, for ever. `geometric`: (1 - ratio) ratio^(r - 1), for ever, most of it early. `equal`: one
    part in `rounds` each, and none after those. `wealth`: 1 / (r + 1) of what is left, of which a look that was lost
    narrowly loses little; with `test: betting` only. r is 1 + the looks that did not promote, or, on items seen before, 1 + all
    looks.
    """

    kind: Literal["series", "geometric", "equal", "wealth"] = "series"
    ratio: float | None = Field(None, gt=0, lt=1, description="of geometric; default 0.8")
    rounds: int | None = Field(None, gt=0, description="of equal: how many looks are planned")

    @model_validator(mode="after")
    def _only_its_own(self) -> SpendingConfig:
        if (self.rounds is None) == (self.kind == "equal"):
            raise ValueError(f"spending {self.kind}: `rounds` is needed by `equal`, and read by nothing else")
        if self.ratio is not None and self.kind != "geometric":
            raise ValueError(f"spending {self.kind}: `ratio` is read by `geometric` only; leave it out")
        return self


class HoldoutConfig(Record):
    """What a second look at the same items costs.

    `counted`: its level is divided by the number of histories of decisions that may have led to it. `refused`: nothing is
    promoted by items that were looked at before. With `folds`, look t sees fold (t - 1) mod folds only, so that as many
    looks are first ones.
    """

    reuse: Literal["counted", "refused"] = "counted"
    folds: int = Field(1, ge=1, le=100)


# What says how a decision is carried out, and not what is asked.
CARRIED_OUT = ("decision", "while_pending", "pending_days")


class PromoteConfig(Record):
    """When a candidate becomes champion. Null hypothesis: the true paired delta is <= 0."""

    alpha: float = Field(0.05, gt=0, lt=0.5, description="chance of EVER promoting a model that is not better")
    min_gain: float = Field(0.0, ge=0, lt=1, description="least gain in the primary")
    min_gain_rule: Literal["measured", "proved"] = Field(
        "measured", description="measured: the estimate reaches it; proved: the null is that the true gain is below it"
    )
    min_items: int = Field(200, gt=0, description="fewer paired items are no evidence")
    test: Literal["auto", "exact", "bootstrap", "betting"] = Field(
        "auto",
        description="auto: McNemar where each item is a cluster of its own and right or wrong, else betting; exact: McNemar, or "
        "sign flips by cluster, which take a loss to be as likely as a win; bootstrap: for description, not covered by the "
        "promise; betting: e-value by cluster",
    )
    primary: PrimaryConfig = PrimaryConfig()
    spending: SpendingConfig = SpendingConfig()
    holdout: HoldoutConfig = HoldoutConfig()
    decision: Literal["auto", "human"] = Field("auto", description="human: a promotion waits for `ratchet approve`")
    while_pending: Literal["wait", "go-on"] = Field(
        "wait", description="what the next begin does: refuse to open a round, or open one from the old champion"
    )
    pending_days: float | None = Field(7.0, gt=0, description="after so many days nobody's answer is a no; null: never")
    guards: GuardsConfig = GuardsConfig()

    @model_validator(mode="after")
    def _wealth_is_won_on_fresh_items(self) -> PromoteConfig:
        if self.spending.kind == "wealth" and (self.test != "betting" or self.holdout.reuse != "refused"):
            raise ValueError(
                "spending wealth: what a lost look leaves is only known of bets on fresh items; set test: betting and "
                "holdout: {reuse: refused}, or another spending"
            )
        return self

    def question(self) -> dict[str, Any]:
        """What is asked of the evidence: to ask the same again is the same look."""
        return self.model_dump(mode="json", exclude=set(CARRIED_OUT))
