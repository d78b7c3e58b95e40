"""TRL's reward function over our adapter, and what of a step is told beside the reward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ratchet.errors import TrainError
from ratchet.train.rl.rewards import Reward, Rewards, in_groups, prompt_of_json


def differing(rewards: Sequence[float | None], k: int) -> list[bool]:
    """For each completion whether it counts: it has a reward, and those of its group of k are not all alike."""
    counts = []
    for group in in_groups(rewards, k):
        differs = len({reward for reward in group if reward is not None}) > 1
        counts += [differs and reward is not None for reward in group]
    return counts


class Earned:
    """Called by TRL with a step's completions, k of each prompt together. `last` are their rewards, in their order."""

    __name__ = "verify"

    def __init__(self, rewards: Rewards, k: int, ends: Sequence[int]) -> None:
        self.rewards, self.k, self.ends = rewards, k, frozenset(ends)
        self.last: list[Reward] = []

    def __call__(
        self,
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]],
        asked: Sequence[str],
        log_metric: Any = None,
        **_: Any,
    ) -> list[float | None]:
        answers = [
            (said[0]["content"].strip(), len(ids), not ids or ids[-1] not in self.ends)
            for said, ids in zip(completions, completion_ids, strict=True)
        ]
        if any(len(set(group)) > 1 for group in in_groups(asked, self.k)):
            raise TrainError(
                f"completions of several prompts lie in one group of k={self.k}; nothing was learned from them. Remove what "
                "changes the order of rows from train.trl."
            )
        prompts = [prompt_of_json(text) for text in asked[:: self.k]]
        judged = self.rewards.judged(prompts, in_groups(answers, self.k))
        self.last = [one for group in judged for one in group]
        if log_metric is not None:
            for name, value in told(self.last, self.k).items():
                log_metric(name, value)
        return self.values

    @property
    def values(self) -> list[float | None]:
        """What the last completions earned."""
        return [one.total for one in self.last]

    @property
    def counts(self) -> list[bool]:
        """Which of the last completions count; see `differing`."""
        return differing(self.values, self.k)

    @property
    def scored(self) -> list[bool]:
        """Which of the last completions have a reward."""
        return [value is not None for value in self.values]


def told(rewards: Sequence[Reward], k: int) -> dict[str, float]:
    """Means of a step: by verifier over what it scored, the share of completions that no one could judge, and of groups that
    are without variance or unscored."""
    found: dict[str, list[float]] = {}
    for one in rewards:
        for name, score in one.by.items():
            if score is not None:
                found.setdefault(f"verifier/{name}", []).append(score)
    totals = [one.total for one in rewards]
    groups = in_groups(totals, k)
    scored = [[value for value in group if value is not None] for group in groups]
    return {
        **{name: sum(values) / len(values) for name, values in found.items()},
        "completions/unscored": sum(value is None for value in totals) / len(totals),
        "groups/unscored": sum(not values for values in scored) / len(groups),
        "groups/zero_variance": sum(len(set(values)) == 1 for values in scored) / len(groups),
    }
