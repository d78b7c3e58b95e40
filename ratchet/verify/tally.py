"""What verify counts: by reason, and by skill and verifier. Whole numbers only, so that sums do not depend on order.

Only honest completions (`Completion.honest`) say how good the model is. Negatives, and answers given without the picture,
are counted beside them: completions = passed + failed + unscored + negatives + without_picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ratchet.recipe import VerifyConfig
from ratchet.records import Completion, Group, Verdict
from ratchet.verify.applying import NOT_GENERATED
from ratchet.verify.disagreement import Pairs
from ratchet.verify.policy import UNCHECKED, Decision, Judgement, policy_of
from ratchet.verify.vitals import MICRO, VitalsTally, share

_COUNTED = (
    "groups", "completions", "passed", "failed", "unscored", "solved",
    "negatives", "negatives_scored", "negatives_failed", "without_picture",
)  # fmt: skip
JUDGED = ("passed", "failed", "unscored")
SAID = ("passed", "failed", "scored", "unscored", "tokens")
"""What a verifier's verdicts said; scored: a score, but no opinion on passing."""
TOGETHER = ""
"""Stands for several verifiers where one alone did not decide."""
Lists = Sequence[Sequence[tuple[Verdict, ...]]]


class Tally:
    """Adds up over shards. `skills` counts completions by judgement; `verifiers` all verdicts by reason, negatives' too, and
    `said` what they said; `broken` those that a verifier failed to give; `decided` honest completions by the verifier that
    decided alone (or TOGETHER) and by what; `pairs` how verifiers agree on all completions, negatives too; `spent` what
    judges cost."""

    def __init__(self) -> None:
        self.skills: dict[str, Counter[str]] = {}
        self.verifiers: dict[str, Counter[str]] = {}
        self.broken: Counter[str] = Counter()
        self.said: dict[str, Counter[str]] = {}
        self.decided: dict[str, Counter[str]] = {}
        self.pairs = Pairs()
        self.spent: dict[str, Counter[str]] = {}
        self.last_error = ""
        self.vitals = VitalsTally()

    def add(self, groups: Sequence[Group], added: Lists, config: VerifyConfig) -> None:
        """Count groups with their new verdicts, which are mostly the same few objects: each set of them is judged once."""
        decide, found = policy_of(config).decide, _Sets()
        for group, lists in zip(groups, added, strict=True):
            self._group(group, lists, decide, found)
            self.vitals.add(group, lists, config)
        for (sort, same), (decision, number) in found.items():
            if sort == "honest":
                self._decided(decision, number)
            self._verdicts(same.verdicts, number)

    def _group(
        self,
        group: Group,
        lists: Sequence[tuple[Verdict, ...]],
        decide: Callable[[Sequence[Verdict]], Decision],
        found: _Sets,
    ) -> None:
        skill = self.skills.setdefault(group.prompt.skill, Counter())
        skill["groups"] += 1
        solved = False
        alike = Counter(zip(map(_sort_of, group.completions), map(_Same, lists), strict=True))
        for one, number in alike.items():
            sort, same = one
            known = found.get(one)
            if known is None:
                known = found[one] = (decide(same.verdicts), 0)
            found[one] = (known[0], known[1] + number)
            judged = known[0].judged
            skill["completions"] += number
            if sort == "honest":
                solved = solved or judged.passed is True
                _count_honest(skill, judged, number)
            else:
                _count_other(skill, sort, judged, number)
        skill["solved"] += solved

    def _verdicts(self, verdicts: Sequence[Verdict], number: int) -> None:
        self.pairs.add(verdicts, number)
        for verdict in verdicts:
            self._said(verdict, number)
            self.verifiers.setdefault(verdict.verifier, Counter())[verdict.reason] += number
            if verdict.error is not None and verdict.reason != NOT_GENERATED:
                self.broken[verdict.verifier] += number
                self.last_error = verdict.error

    def _said(self, verdict: Verdict, number: int) -> None:
        said = self.said.setdefault(verdict.verifier, Counter())
        if verdict.passed is not None:
            said["passed" if verdict.passed else "failed"] += number
        else:
            said["unscored" if verdict.score is None else "scored"] += number
        if verdict.tokens:
            said["tokens"] += verdict.tokens * number

    def _decided(self, decision: Decision, number: int) -> None:
        """Who decided: nobody where everything passes unchecked or nobody spoke."""
        if decision.by:
            name = decision.by[0].verifier if len(decision.by) == 1 else TOGETHER
            self.decided.setdefault(name, Counter())[_word(decision.judged)] += number

    def __iadd__(self, other: Tally) -> Tally:
        counted = (
            (self.skills, other.skills),
            (self.verifiers, other.verifiers),
            (self.said, other.said),
            (self.decided, other.decided),
            (self.spent, other.spent),
        )
        for mine, theirs in counted:
            for name, counts in theirs.items():
                mine.setdefault(name, Counter()).update(counts)
        self.broken.update(other.broken)
        self.pairs += other.pairs
        self.vitals += other.vitals
        self.last_error = other.last_error or self.last_error
        return self

    @property
    def verdicts(self) -> int:
        return sum(counts.total() for counts in self.verifiers.values())

    def counts(self) -> dict[str, int]:
        """Verdicts by reason, and totals of completions by judgement."""
        reasons: Counter[str] = Counter()
        for counts in self.verifiers.values():
            reasons.update(counts)
        whole = sum(self.skills.values(), Counter())
        totals = {name: whole[name] for name in _COUNTED}
        return {**totals, "verdicts": self.verdicts, **{f"reason_{name}": reasons[name] for name in sorted(reasons)}}

    def results(self) -> dict[str, Any]:
        """Shares and means by skill and over all; reasons by verifier, what each decided alone, and how they agree."""
        return {
            "all": _shares(sum(self.skills.values(), Counter())),
            "skills": {name: _shares(self.skills[name]) for name in sorted(self.skills)},
            "verifiers": {name: dict(sorted(self.verifiers[name].items())) for name in sorted(self.verifiers)},
            "said": [{"verifier": name, **_in_order(self.said[name], SAID)} for name in sorted(self.said)],
            "decided": [
                {"verifier": name or None, **_in_order(self.decided[name], JUDGED)} for name in sorted(self.decided)
            ],
            "disagreement": self.pairs.results(),
            "vitals": self.vitals.vitals().model_dump(mode="json"),
        }

    def dump(self) -> dict[str, Any]:
        return {
            "skills": self.skills,
            "verifiers": self.verifiers,
            "broken": {"all": self.broken},
            "said": self.said,
            "decided": self.decided,
            "pairs": self.pairs.dump(),
            "spent": self.spent,
            "vitals": self.vitals.dump(),
        }

    @classmethod
    def load(cls, raw: Mapping[str, Any]) -> Tally:
        tally = cls()
        tally.skills = {name: Counter(counts) for name, counts in raw["skills"].items()}
        tally.verifiers = {name: Counter(counts) for name, counts in raw["verifiers"].items()}
        tally.broken = Counter(raw["broken"]["all"])
        tally.said = {name: Counter(counts) for name, counts in raw["said"].items()}
        tally.decided = {name: Counter(counts) for name, counts in raw["decided"].items()}
        tally.pairs = Pairs(raw["pairs"])
        tally.spent = {name: Counter(counts) for name, counts in raw.get("spent", {}).items()}
        tally.vitals = VitalsTally.load(raw["vitals"])
        return tally


def _sort_of(completion: Completion) -> str:
    """What a completion counts as. The text beside a bad picture (`use: input`) is right on purpose: no finding."""
    if completion.honest:
        return "honest"
    if completion.blind:
        return "without_picture"
    return "negative_input" if completion.input_only else "negative"


def _word(judged: Judgement) -> str:
    return "unscored" if judged.passed is None else "passed" if judged.passed else "failed"


def _in_order(counts: Counter[str], names: Sequence[str]) -> dict[str, int]:
    return {name: counts[name] for name in names}


def _count_honest(skill: Counter[str], judged: Judgement, number: int) -> None:
    skill[_word(judged)] += number
    if judged.score is not None:
        skill["scored"] += number
        skill["micros"] += round(judged.score * MICRO) * number


def _count_other(skill: Counter[str], sort: str, judged: Judgement, number: int) -> None:
    """Of the `negatives_scored` answers that were made bad on purpose `negatives_failed` are wrong, as they should be."""
    if sort == "without_picture":
        skill["without_picture"] += number
        return
    skill["negatives"] += number
    # With policy none nothing is judged: that all pass then would say that every negative is a right answer.
    if sort == "negative" and judged.passed is not None and judged.reason != UNCHECKED:
        skill["negatives_scored"] += number
        skill["negatives_failed"] += number * (not judged.passed)


class _Same:
    """Verdicts of one completion, equal when they are the same objects: verifiers share them between equal answers."""

    __slots__ = ("key", "verdicts")

    def __init__(self, verdicts: tuple[Verdict, ...]) -> None:
        self.verdicts = verdicts
        self.key = tuple(map(id, verdicts))

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.key == self.key


class _Sets(dict[tuple[str, _Same], tuple[Decision, int]]):
    """Sets of verdicts by sort of completion: what the policy makes of each, and how many completions have it."""


def _shares(counts: Counter[str]) -> dict[str, Any]:
    """`accuracy` is over decided honest completions, `solved` the share of groups with at least one that passed."""
    decided = counts["passed"] + counts["failed"]
    return {
        "groups": counts["groups"],
        "completions": counts["completions"],
        "unscored": counts["unscored"],
        "without_picture": counts["without_picture"],
        "negatives": {
            "completions": counts["negatives"],
            "scored": counts["negatives_scored"],
            "failed": counts["negatives_failed"],
        },
        "accuracy": share(counts["passed"], decided),
        "mean_score": share(counts["micros"], counts["scored"] * MICRO),
        "solved": share(counts["solved"], counts["groups"]),
    }
