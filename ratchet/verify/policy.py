"""How several verdicts of one completion become one judgement. Pure, and used by filter and evaluate alike."""

from __future__ import annotations

from collections.abc import Sequence
from math import frexp, ldexp
from typing import NamedTuple

from ratchet.recipe import VerifyConfig
from ratchet.recipe.verifiers import OWN
from ratchet.records import Verdict
from ratchet.verify.protocol import reaches

UNSCORED, UNCHECKED = "unscored", "unchecked"
_KEPT = 8


class Judgement(NamedTuple):
    """Whether a completion counts as right; None: undecided. `reason` is the slug of the verdict that decided."""

    passed: bool | None
    score: float | None
    reason: str = UNSCORED


class Decision(NamedTuple):
    """A judgement and the verdicts that it rests on, in the order in which the policy looks: one, where that was enough."""

    judged: Judgement
    by: Sequence[Verdict] = ()


def judge(verdicts: Sequence[Verdict], config: VerifyConfig) -> Judgement:
    """Combine the verdicts of one completion by `config.policy`.

    A veto that failed decides first, with score 0; vetoes do not count otherwise. Then what is required: failed, it fails
    the answer with the least score of all; unscored or missing, it leaves it undecided. Then the policy, over all verdicts
    but the vetoes.

    all: one failed verdict fails it with the least score; without one, an unscored verdict leaves it undecided; verdicts
    with a score but without an opinion on passing do not vote. mean, weighted: all that count must be scored, and their mean
    reach the threshold. none: passes, whatever they say.
    """
    return policy_of(config).decide(verdicts).judged


def policy_of(config: VerifyConfig) -> Policy:
    """The configuration's policy, made once: this is asked for every completion."""
    found = _POLICIES.get(id(config))
    if found is None:
        if len(_POLICIES) >= _KEPT:
            _POLICIES.clear()
        # The policy holds its configuration, so no other object can get this id while it is kept.
        found = _POLICIES[id(config)] = Policy(config)
    return found


class Role(NamedTuple):
    """What a verifier's verdicts count for."""

    weight: float
    required: bool
    veto: bool
    called: str


class Policy:
    """`verify.policy` of one configuration, with what it says of each verifier looked up once."""

    def __init__(self, config: VerifyConfig) -> None:
        self.config = config
        self._own = frozenset(one.called for one in config.chosen)
        self._required = frozenset(config.required)
        self._plain = not (config.vetoes or config.required)
        # Only ratios of weights count: with the largest near 1 no sum overflows, and powers of two change no digit.
        self._exponent = frexp(max(config.weights.values(), default=1.0))[1]
        self._roles: dict[str, Role] = {}

    def decide(self, verdicts: Sequence[Verdict]) -> Decision:
        """The judgement of one completion's verdicts; see `judge`."""
        if self.config.policy == "none":
            return Decision(Judgement(True, _mean(verdicts), UNCHECKED))
        if self._plain:
            return self._policy(verdicts)
        no = [v for v in verdicts if v.passed is False and self.role(v).veto]
        if no:
            return Decision(Judgement(False, 0.0, no[0].reason), no)
        counted = [v for v in verdicts if not self.role(v).veto]
        return self._requirements(verdicts, counted) or self._policy(counted)

    def role(self, verdict: Verdict) -> Role:
        """By its own name, else as one of those that only prompts name."""
        found = self._roles.get(verdict.verifier)
        if found is None:
            found = self._roles[verdict.verifier] = self._role(verdict.verifier)
        return found

    def _role(self, name: str) -> Role:
        config = self.config
        called = name if name in self._own else OWN
        names = {name, called}
        weight = config.weights.get(name, config.weights.get(called, 0.0))
        return Role(
            ldexp(weight, -self._exponent),
            not names.isdisjoint(config.required),
            not names.isdisjoint(config.vetoes),
            called,
        )

    def _requirements(self, verdicts: Sequence[Verdict], counted: Sequence[Verdict]) -> Decision | None:
        """What the required verdicts decide by themselves; None where all of them pass."""
        found = [v for v in verdicts if self.role(v).required]
        failed = [v for v in found if v.passed is False]
        if failed:
            # The least of all: no policy gives less, so a better verdict never lowers the judgement.
            return Decision(Judgement(False, min(_scores([*counted, *failed])), failed[0].reason), failed)
        undecided = [v for v in found if v.passed is None]
        if undecided:
            return Decision(Judgement(None, None, undecided[0].reason), undecided)
        said = {v.verifier for v in found} | {self.role(v).called for v in found}
        return None if said >= self._required else Decision(Judgement(None, None))

    def _policy(self, verdicts: Sequence[Verdict]) -> Decision:
        if self.config.policy == "all":
            return _all(verdicts)
        if self.config.policy == "mean":
            return self._by_mean(verdicts, [1.0] * len(verdicts))
        return self._by_mean(verdicts, [self.role(v).weight for v in verdicts])

    def _by_mean(self, verdicts: Sequence[Verdict], weights: Sequence[float]) -> Decision:
        counted, undecided = [], []
        whole = total = 0.0
        lowest: tuple[float, str] | None = None
        for verdict, weight in zip(verdicts, weights, strict=True):
            if weight <= 0:
                continue
            score = _score(verdict)
            if score is None:
                undecided.append(verdict)
                continue
            counted.append(verdict)
            whole, total = whole + weight, total + score * weight
            if lowest is None or score < lowest[0]:
                lowest = (score, verdict.reason)
        if undecided or lowest is None:
            return Decision(Judgement(None, None, undecided[0].reason if undecided else UNSCORED), undecided)
        mean = min(1.0, total / whole)
        return Decision(Judgement(reaches(mean, self.config.threshold), mean, lowest[1]), counted)


_POLICIES: dict[int, Policy] = {}


def _all(verdicts: Sequence[Verdict]) -> Decision:
    failed: list[Verdict] = []
    passed: list[Verdict] = []
    undecided: list[Verdict] = []
    least = 1.0
    for verdict in verdicts:
        score = _score(verdict)
        if score is None:
            undecided.append(verdict)
            continue
        least = min(least, score)
        if verdict.passed is not None:
            (passed if verdict.passed else failed).append(verdict)
    if failed:
        return Decision(Judgement(False, least, failed[0].reason), failed)
    if undecided or not passed:
        return Decision(Judgement(None, None, undecided[0].reason if undecided else UNSCORED), undecided)
    return Decision(Judgement(True, least, passed[0].reason), passed)


def _scores(verdicts: Sequence[Verdict]) -> list[float]:
    return [score for score in map(_score, verdicts) if score is not None]


def _mean(verdicts: Sequence[Verdict]) -> float | None:
    scores = _scores(verdicts)
    return sum(scores) / len(scores) if scores else None


def _score(verdict: Verdict) -> float | None:
    """None where the verifier could not decide: that is no 0."""
    if verdict.score is not None:
        return verdict.score
    return None if verdict.passed is None else float(verdict.passed)
