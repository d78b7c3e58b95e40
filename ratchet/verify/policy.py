"""How several verdicts of one completion become one judgement. Pure, and used by filter and evaluate alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ratchet.recipe import VerifyConfig
from ratchet.recipe.verifiers import OWN
from ratchet.records import Verdict

UNSCORED, UNCHECKED = "unscored", "unchecked"
_ROUNDING = 1e-9


class Judgement(NamedTuple):
    """Whether a completion counts as right; None: undecided. `reason` is the slug of the verdict that decided."""

    passed: bool | None
    score: float | None
    reason: str = UNSCORED


def judge(verdicts: Sequence[Verdict], config: VerifyConfig) -> Judgement:
    """Combine the verdicts of one completion by `config.policy`.

    A veto that failed decides first, with score 0; vetoes do not count otherwise. Then what is required: failed, it fails
    the answer; unscored or missing, it leaves it undecided. Then the policy, over all verdicts but the vetoes.

    all: one failed verdict fails it with the least score; without one, an unscored verdict leaves it undecided; verdicts
    with a score but without an opinion on passing do not vote. mean, weighted: all that count must be scored, and their mean
    reach the threshold. none: passes, whatever they say.
    """
    if config.policy == "none":
        return Judgement(True, _mean(verdicts), UNCHECKED)
    if config.vetoes or config.required:
        early = _vetoed(verdicts, config) or _required(verdicts, config)
        if early is not None:
            return early
        verdicts = [v for v in verdicts if not _named(v, config.vetoes, config)]
    if config.policy == "mean":
        return _by_mean(verdicts, [1.0] * len(verdicts), config.threshold)
    if config.policy == "weighted":
        return _by_mean(verdicts, [_weight(v, config) for v in verdicts], config.threshold)
    return _all(verdicts)


def _all(verdicts: Sequence[Verdict]) -> Judgement:
    failed = next((v for v in verdicts if v.passed is False), None)
    if failed is not None:
        return Judgement(False, min(_score(v) for v in verdicts if _is_scored(v)), failed.reason)
    undecided = next((v for v in verdicts if not _is_scored(v)), None)
    if undecided is not None:
        return Judgement(None, None, undecided.reason)
    passed = next((v for v in verdicts if v.passed), None)
    if passed is None:
        return Judgement(None, None)
    return Judgement(True, min(_score(v) for v in verdicts), passed.reason)


def called(verdict: Verdict, config: VerifyConfig) -> str:
    """What the recipe calls the verdict's verifier: its own name, or OWN where only the prompt names it."""
    own = {one.called for one in config.chosen}
    return verdict.verifier if verdict.verifier in own else OWN


def _named(verdict: Verdict, names: Sequence[str], config: VerifyConfig) -> bool:
    return verdict.verifier in names or (OWN in names and called(verdict, config) == OWN)


def _weight(verdict: Verdict, config: VerifyConfig) -> float:
    found = config.weights.get(verdict.verifier)
    return config.weights.get(called(verdict, config), 0.0) if found is None else found


def _vetoed(verdicts: Sequence[Verdict], config: VerifyConfig) -> Judgement | None:
    no = next((v for v in verdicts if v.passed is False and _named(v, config.vetoes, config)), None)
    return None if no is None else Judgement(False, 0.0, no.reason)


def _required(verdicts: Sequence[Verdict], config: VerifyConfig) -> Judgement | None:
    """What the required verdicts decide by themselves; None where all of them pass."""
    found = [v for v in verdicts if _named(v, config.required, config)]
    failed = next((v for v in found if v.passed is False), None)
    if failed is not None:
        return Judgement(False, _score(failed), failed.reason)
    open_ = next((v for v in found if v.passed is None), None)
    if open_ is not None:
        return Judgement(None, None, open_.reason)
    said = {v.verifier for v in found} | {called(v, config) for v in found}
    return None if said.issuperset(config.required) else Judgement(None, None)


def _by_mean(verdicts: Sequence[Verdict], weights: Sequence[float], threshold: float) -> Judgement:
    counted = [(v, w) for v, w in zip(verdicts, weights, strict=True) if w > 0]
    undecided = next((v for v, _ in counted if not _is_scored(v)), None)
    if not counted or undecided is not None:
        return Judgement(None, None, undecided.reason if undecided else UNSCORED)
    mean = sum(_score(v) * w for v, w in counted) / sum(w for _, w in counted)
    passed = mean >= threshold - _ROUNDING
    return Judgement(passed, mean, min((v for v, _ in counted), key=_score).reason)


def _mean(verdicts: Sequence[Verdict]) -> float | None:
    scores = [_score(v) for v in verdicts if _is_scored(v)]
    return sum(scores) / len(scores) if scores else None


def _is_scored(verdict: Verdict) -> bool:
    return verdict.score is not None or verdict.passed is not None


def _score(verdict: Verdict) -> float:
    return verdict.score if verdict.score is not None else float(bool(verdict.passed))
