import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.recipe import VerifyConfig
from ratchet.records import Verdict
from ratchet.verify import judge


def verdict(score: float | None, passed: bool | None, reason: str = "r") -> Verdict:
    return Verdict(verifier="v", version="1", score=score, passed=passed, reason=reason)


RIGHT, WRONG, HALF = verdict(1, True, "match"), verdict(0, False, "wrong"), verdict(0.5, False, "partial")
CRASH, SCORER = verdict(None, None, "crash"), verdict(0.3, None, "scored")


@pytest.mark.parametrize(
    ("verdicts", "passed", "score", "reason"),
    [
        ([], None, None, "unscored"),
        ([RIGHT], True, 1, "match"),
        ([RIGHT, RIGHT], True, 1, "match"),
        ([RIGHT, WRONG], False, 0, "wrong"),
        ([HALF, RIGHT], False, 0.5, "partial"),
        ([CRASH], None, None, "crash"),
        ([RIGHT, CRASH], None, None, "crash"),
        ([WRONG, CRASH], False, 0, "wrong"),
        ([RIGHT, SCORER], True, 0.3, "match"),
        ([SCORER], None, None, "unscored"),
    ],
)
def test_all_must_pass(verdicts: list[Verdict], passed: bool | None, score: float | None, reason: str) -> None:
    assert judge(verdicts, VerifyConfig(policy="all")) == (passed, score, reason)


@pytest.mark.parametrize(
    ("verdicts", "threshold", "passed", "score"),
    [
        ([RIGHT, HALF], 0.75, True, 0.75),
        ([RIGHT, HALF], 0.8, False, 0.75),
        ([RIGHT, CRASH], 0.1, None, None),
        ([], 0.1, None, None),
    ],
)
def test_the_mean_must_reach_the_threshold(
    verdicts: list[Verdict], threshold: float, passed: bool | None, score: float | None
) -> None:
    assert judge(verdicts, VerifyConfig(policy="mean", threshold=threshold))[:2] == (passed, score)


@settings(deadline=None)
@given(st.lists(st.sampled_from([RIGHT, WRONG, HALF, CRASH, SCORER])))
def test_without_a_policy_everything_passes(verdicts: list[Verdict]) -> None:
    assert judge(verdicts, VerifyConfig(policy="none")).passed is True


@settings(deadline=None)
@given(st.lists(st.sampled_from([RIGHT, WRONG, HALF, CRASH, SCORER])), st.sampled_from(["all", "mean"]))
def test_no_completion_passes_on_an_unscored_verdict(verdicts: list[Verdict], policy: str) -> None:
    judged = judge([*verdicts, CRASH], VerifyConfig.model_validate({"policy": policy, "threshold": 0.1}))
    assert judged.passed is not True
