"""What an audit found: one frozen record per verifier, as it is stored with the round and read by report and alarms.

`results["audit"]` of the verify manifest is the dump of an AuditResult without seconds, so that its digest is the same
wherever it was measured; `<verify prefix>/audit.json` is the whole of it.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ratchet.recipe.audit import COMBINED
from ratchet.records import Record

__all__ = [
    "AUDIT_FILE",
    "COIN",
    "COMBINED",
    "CONSTANT",
    "Answers",
    "AuditResult",
    "Audited",
    "Difference",
    "Family",
    "Probed",
    "Share",
    "Truth",
]

Family = Literal["rule", "form", "model", "votes", "environment", "policy", "baseline"]
"""What a verifier decides from, as its configuration says; policy: all of the recipe's verdicts combined; baseline: a
constant or a coin, beside which the others are read."""
Truth = Literal["prompt", "world", "labels"]
"""Who says which answers are right: the prompts' own verifiers, the tiny world's oracle, or a file of labels."""
CONSTANT, COIN = "always_pass", "coin"
AUDIT_FILE = "audit.json"


class Share(Record):
    """A share with its 95% interval: Wilson's, for as many independent items as the clusters are worth
    (`ratchet.statistics.clustered_share`). `share` is None where there are no items; then it lies anywhere in 0..1."""

    n: int = 0
    clusters: int = 0
    share: float | None = None
    low: float = 0.0
    high: float = 1.0


class Difference(Record):
    """A difference of pass rates in -1..1 over `n` matched pairs of answers, with its cluster-robust 95% interval
    (`ratchet.statistics.paired_delta`). `value` is None where there are no pairs."""

    n: int = 0
    clusters: int = 0
    value: float | None = None
    low: float = -1.0
    high: float = 1.0

    @property
    def there(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.value is not None and (self.low > 0 or self.high < 0)


class Probed(Record):
    """Texts whose truth is known by how they were made: so many, of them `passed`, and so many without a verdict."""

    n: int = 0
    passed: int = 0
    unscored: int = 0

    @property
    def rejected(self) -> int:
        return self.n - self.passed - self.unscored


class Answers(Record):
    """Answers of models by truth and verdict. Positive: the verifier passed it; true: the truth says the same."""

    n: int = 0
    true_positives: int = 0
    false_positives: int = 0
    true_negatives: int = 0
    false_negatives: int = 0
    unscored_right: int = 0
    unscored_wrong: int = 0

    @property
    def unscored(self) -> int:
        return self.unscored_right + self.unscored_wrong


class Audited(Record):
    """One verifier, measured.

    `precision`: of the answers that it passes, the share that is right. `recall`: of the right answers, the share that it
    passes; one that it leaves unscored is not passed. `ranking`: of pairs of a right and a wrong answer to one prompt, the
    share where the right one has the higher score, equal ones counting half: what pairs and rewards rest on, where a verifier
    scores and does not pass. `base_rate`: the share of right answers, which is the precision of passing everything.

    `gold` are references as they are, `forms` the same in other words ("the answer is 3"), `corrupted` references made
    wrong, by how.

    Biases are differences within a prompt and a truth: `length_bias` how much more often the longer of two wrong answers
    passes; `self_preference` how much more often an answer of its own model passes than another model's. `order_bias`:
    share of comparisons whose verdict flips with the order. None: not measured, for it has no such thing.

    `is_truth`: the verifier is part of what says which answers are right, so precision and recall are 1 by definition;
    gold, forms and corrupted still measure it.
    """

    verifier: str
    version: str
    family: Family
    is_truth: bool = False
    gold: Probed = Probed()
    forms: dict[str, Probed] = {}
    corrupted: Probed = Probed()
    corruptions: dict[str, Probed] = {}
    answers: Answers = Answers()
    base_rate: Share = Share()
    precision: Share = Share()
    recall: Share = Share()
    ranking: Share = Share()
    order_bias: Share | None = None
    length_bias: Difference | None = None
    self_preference: Difference | None = None
    verdicts: int = 0
    errors: int = 0
    tokens_per_verdict: float = 0.0
    seconds_per_verdict: float | None = Field(None, description="wall time; not part of any digest")

    @property
    def better_than_constant(self) -> bool:
        """Whether what it passes is right more often than what everything-passes passes: precision's interval lies above
        the base rate. The truth itself is."""
        return self.is_truth or (
            self.precision.share is not None
            and self.base_rate.share is not None
            and self.precision.low > self.base_rate.share
        )


class AuditResult(Record):
    """The verifiers of a recipe on one labelled slice. `prompts` of `split` were used, with `answers` of models in all;
    `models` are those whose answers these are. Verifiers come in the recipe's order, then combined, then the baselines."""

    truth: Truth
    split: str = "validation"
    prompts: int
    answers: int
    k: int
    temperature: float
    models: tuple[str, ...] = ()
    verifiers: tuple[Audited, ...]
    spent: dict[str, dict[str, float]] = Field(
        {}, description="calls, tokens and cost by judge; not part of any digest, for a cached reply costs nothing"
    )

    def of(self, verifier: str) -> Audited | None:
        """What was found of the verifier of that name."""
        return next((one for one in self.verifiers if one.verifier == verifier), None)

    def without_seconds(self) -> dict[str, Any]:
        """JSON for `results["audit"]`: the same bit for bit when it is measured again."""
        timeless = [one.model_copy(update={"seconds_per_verdict": None}) for one in self.verifiers]
        return self.model_copy(update={"verifiers": tuple(timeless), "spent": {}}).model_dump(mode="json")
