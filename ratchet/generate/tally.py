"""What generation made, counted: in all, and by skill, strategy, kind of negative and reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ratchet.records import Group

COUNTED = ("prompts", "completions", "tokens", "clipped", "negatives", "errors", "refused")


class Tally:
    """Counts groups. `errors` are prompts without any answer, `refused` are groups that the strategy gave up, by reason."""

    def __init__(self) -> None:
        self.skills: dict[str, Counter[str]] = {}
        self.strategies: dict[str, Counter[str]] = {}
        self.models: Counter[str] = Counter()
        self.negatives: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.wanted = 0

    def add(self, groups: Iterable[Group]) -> None:
        for group in groups:
            self._add(group)

    def _add(self, group: Group) -> None:
        skill = self.skills.setdefault(group.prompt.skill, Counter())
        skill["prompts"] += 1
        skill["errors"] += failed(group)
        skill["refused"] += group.reason is not None
        if group.reason is not None:
            self.reasons[group.reason] += 1
        for one in group.completions:
            # Negatives have a table of their own.
            strategy = (
                self.strategies.setdefault(one.sampling.strategy, Counter()) if one.negative is None else Counter()
            )
            for counter in (skill, strategy):
                counter["completions"] += 1
                counter["tokens"] += one.n_tokens
                counter["clipped"] += one.finish_reason == "length"
                counter["negatives"] += one.negative is not None
            self.models[one.model] += 1
            if one.negative is not None:
                self.negatives[one.negative.kind] += 1
            if one.error is not None:
                self.reasons[one.error.partition(":")[0]] += 1

    def counts(self) -> dict[str, int]:
        """`negatives_asked` may be more than `negatives`: not every answer holds something to make worse."""
        found = {what: sum(one[what] for one in self.skills.values()) for what in COUNTED}
        return {**found, "negatives_asked": self.wanted}

    def results(self) -> dict[str, Any]:
        """The parts of the counts that are not zero, sorted, for the manifest."""
        return {
            "skills": {name: {what: one[what] for what in COUNTED} for name, one in sorted(self.skills.items())},
            "strategies": {name: _plain(one) for name, one in sorted(self.strategies.items())},
            "models": _plain(self.models),
            "negatives": _plain(self.negatives),
            "reasons": _plain(self.reasons),
        }


def failed(group: Group) -> bool:
    """Whether the engine gave no answer at all to this prompt."""
    honest = [c for c in group.completions if c.negative is None]
    return bool(honest) and all(c.finish_reason == "error" for c in honest)


def added(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Two nested counts summed, key by key."""
    total: dict[str, Any] = dict(one)
    for key, value in other.items():
        if isinstance(value, Mapping):
            total[key] = added(total.get(key, {}), value)
        else:
            total[key] = total.get(key, 0) + value
    return {key: total[key] for key in sorted(total)}


def _plain(counter: Counter[str]) -> dict[str, int]:
    return {key: n for key, n in sorted(counter.items()) if n}
