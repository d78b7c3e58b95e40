"""How several verdicts of one completion become one judgement. Pure, and used by filter and evaluate alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ratchet.recipe import VerifyConfig
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

    all: one failed verdict fails it with the least score; without one, an unscored verdict leaves it undecided; verdicts
    with a score but without an opinion on passing do not vote. mean: all must be scored, and their mean reach the
    threshold. none: passes, whatever they say.
    """
    if config.policy == "none":
        return Judgement(True, _mean(verdicts), UNCHECKED)
    if config.policy == "mean":
        return _by_mean(verdicts, config.threshold)
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


def _by_mean(verdicts: Sequence[Verdict], threshold: float) -> Judgement:
    undecided = next((v for v in verdicts if not _is_scored(v)), None)
    if not verdicts or undecided is not None:
        return Judgement(None, None, undecided.reason if undecided else UNSCORED)
    mean = sum(map(_score, verdicts)) / len(verdicts)
    passed = mean >= threshold - _ROUNDING
    return Judgement(passed, mean, min(verdicts, key=_score).reason)


def _mean(verdicts: Sequence[Verdict]) -> float | None:
    scores = [_score(v) for v in verdicts if _is_scored(v)]
    return sum(scores) / len(scores) if scores else None


def _is_scored(verdict: Verdict) -> bool:
    return verdict.score is not None or verdict.passed is not None


def _score(verdict: Verdict) -> float:
    return verdict.score if verdict.score is not None else float(bool(verdict.passed))
