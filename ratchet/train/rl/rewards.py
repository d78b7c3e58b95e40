"""The one adapter from verifiers to rewards: a step's completions become groups, and verify's own code judges them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ratchet.errors import TrainError
from ratchet.recipe import VerifyConfig
from ratchet.records import Completion, Group, Prompt, Sampling, Verdict
from ratchet.verify.applying import verdicts_of
from ratchet.verify.panel import Panel
from ratchet.verify.policy import policy_of


@dataclass(frozen=True)
class Reward:
    """What one completion earned: verify's score, or None where its verifiers could not tell; `by` their own scores."""

    total: float | None
    passed: bool | None
    by: Mapping[str, float | None]


@dataclass
class Rewards:
    """Judges groups of `k` completions with `panel`, combined by `config`'s policy: as the verify stage and the filter do.

    None stays None: an answer that no verifier could judge has no reward, and so no advantage. Raises TrainError where
    more than `config.max_error_share` of a step's verdicts broke: training would go on with what is left.
    """

    panel: Panel
    config: VerifyConfig
    sampling: Sampling
    model: str = "policy"
    closing: Callable[[], None] | None = None

    def close(self) -> None:
        """Write what judges are to keep, and free the models that were opened."""
        if self.closing is not None:
            self.closing()

    def judged(self, asked: Sequence[Prompt], answers: Sequence[Sequence[tuple[str, int, bool]]]) -> list[list[Reward]]:
        """For each prompt the rewards of its completions, given as (text, tokens, whether it was cut)."""
        groups = [
            Group(prompt=prompt, completions=tuple(self._completion(i, *one) for i, one in enumerate(made)))
            for prompt, made in zip(asked, answers, strict=True)
        ]
        config = self.config
        lists = verdicts_of(groups, self.panel.names, config.timeout_seconds, self.panel.verifiers)
        self._check(lists)
        return [[self._reward(verdicts) for verdicts in group] for group in lists]

    def _completion(self, index: int, text: str, tokens: int, cut: bool) -> Completion:
        reason = "length" if cut else "stop"
        return Completion(
            index=index, text=text, finish_reason=reason, sampling=self.sampling, n_tokens=tokens, model=self.model
        )

    def _reward(self, verdicts: Sequence[Verdict]) -> Reward:
        policy = policy_of(self.config)
        judged = policy.decide(verdicts).judged
        by = {verdict.verifier: verdict.score for verdict in verdicts}
        # Where a policy decides without a score, passing is worth 1.
        total = judged.score if judged.score is not None or judged.passed is None else float(judged.passed)
        return Reward(total, judged.passed, by)

    def _check(self, lists: Sequence[Sequence[Sequence[Verdict]]]) -> None:
        every = [verdict for group in lists for one in group for verdict in one]
        broken = [verdict for verdict in every if verdict.error is not None]
        if len(broken) <= self.config.max_error_share * len(every):
            return
        name, number = Counter(verdict.verifier for verdict in broken).most_common(1)[0]
        last = next(verdict.error for verdict in reversed(broken) if verdict.verifier == name)
        raise TrainError(
            f"{len(broken)} of a step's {len(every)} verdicts broke, more than verify.max_error_share "
            f"{self.config.max_error_share:g}; most often verifier {name} ({number}), as in: {last}. Mend the cause, or raise "
            "verify.max_error_share to train on what is scored."
        )


@lru_cache(maxsize=65_536)
def prompt_of_json(text: str) -> Prompt:
    """The prompt of a row; rows come back every epoch, k at a time."""
    return Prompt.model_validate_json(text)


def in_groups(values: Sequence[Any], k: int) -> list[Sequence[Any]]:
    """`values` in groups of k that lie together. Raises ValueError where they do not fit."""
    if len(values) % k:
        raise ValueError(f"{len(values)} completions are no multiple of k={k}: a group was torn apart")
    return [values[first : first + k] for first in range(0, len(values), k)]
