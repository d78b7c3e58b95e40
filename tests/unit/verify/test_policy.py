import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ratchet.recipe import VerifyConfig
from ratchet.records import Verdict
from ratchet.verify import judge
from ratchet.verify.policy import policy_of


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


def said(name: str, score: float | None, passed: bool | None, reason: str = "r") -> Verdict:
    return Verdict(verifier=name, version="1", score=score, passed=passed, reason=reason)


def config(**fields: object) -> VerifyConfig:
    return VerifyConfig.model_validate(fields)


NAMES = ("numeric", "exact", "yes_no", "choice")
WEIGHT = st.sampled_from([0.0, 0.1, 0.5, 0.9, 3.0])


@st.composite
def configs(draw: st.DrawFn) -> VerifyConfig:
    """Any policy over the four verifiers that the recipe names, or over those that prompts do."""
    vetoes = draw(st.sets(st.sampled_from(NAMES), max_size=2))
    fields: dict[str, object] = {
        "verifiers": draw(st.sampled_from([None, NAMES])),
        "policy": draw(st.sampled_from(["all", "mean", "weighted"])),
        "vetoes": tuple(vetoes),
        "required": tuple(draw(st.sets(st.sampled_from(NAMES), max_size=2))),
        "threshold": draw(st.sampled_from([0.0, 0.3, 0.5, 0.9, 1.0])),
    }
    if fields["policy"] == "weighted":
        free = [name for name in NAMES if name not in vetoes]
        weights = {name: draw(WEIGHT) for name in free}
        fields["weights"] = weights if any(weights.values()) else {free[0]: 1.0}
    return VerifyConfig.model_validate(fields)


SCORED = st.tuples(st.sampled_from([0.0, 0.2, 0.5, 1.0]), st.sampled_from([False, True]))
ANY = SCORED | st.just((None, None)) | st.tuples(st.sampled_from([0.2, 0.9]), st.none())


def verdict_lists(of: st.SearchStrategy[tuple[float | None, bool | None]]) -> st.SearchStrategy[list[Verdict]]:
    one = st.tuples(*(of for _ in NAMES))
    return one.map(lambda many: [said(n, *pair, f"by_{n}") for n, pair in zip(NAMES, many, strict=True)])


def raised(verdict: Verdict, score: float, passed: bool | None) -> Verdict:
    """The same or better; who gave no opinion still gives none, and who could not decide still cannot."""
    if verdict.score is None:
        return verdict
    better = {
        "score": max(score, verdict.score),
        "passed": verdict.passed if passed is not True else verdict.passed is not None or None,
    }
    return verdict.model_copy(update=better)


@settings(deadline=None, max_examples=200)
@given(configs(), verdict_lists(ANY), st.sampled_from(NAMES), st.sampled_from([0.3, 0.7, 1.0]), st.booleans())
def test_a_better_verdict_never_lowers_the_judgement(
    made: VerifyConfig, verdicts: list[Verdict], name: str, score: float, passed: bool
) -> None:
    better = [raised(v, score, passed) if v.verifier == name else v for v in verdicts]
    before, after = judge(verdicts, made), judge(better, made)
    assert not (before.passed is True and after.passed is not True)
    assert not (before.passed is None and after.passed is False)
    if before.score is not None and after.score is not None:
        assert after.score >= before.score - 1e-12


@settings(deadline=None, max_examples=120)
@given(configs(), verdict_lists(SCORED), st.sampled_from(NAMES))
def test_an_unscored_verdict_is_not_taken_for_a_zero(made: VerifyConfig, verdicts: list[Verdict], name: str) -> None:
    """Where a verdict is lost the judgement is what it was without it or undecided, never a fail that the others did not say."""
    lost = [said(v.verifier, None, None, "crash") if v.verifier == name else v for v in verdicts]
    judged = judge(lost, made)
    if judged.passed is False:
        best = [said(v.verifier, 1, True) if v.verifier == name else v for v in verdicts]
        assert judge(best, made).passed is False, "the others fail it by themselves"
    if judged.passed is None:
        assert judged.score is None
        assert judged.reason in {"crash", "unscored"}


@settings(deadline=None, max_examples=120)
@given(configs(), verdict_lists(ANY), st.sampled_from(NAMES))
def test_a_veto_only_fails(made: VerifyConfig, verdicts: list[Verdict], name: str) -> None:
    weights = {n: w for n, w in made.weights.items() if n != name} or {n: 1.0 for n in NAMES if n != name}
    plain = made.model_copy(
        update={
            "vetoes": tuple(v for v in made.vetoes if v != name),
            "required": tuple(r for r in made.required if r != name),
            "weights": weights if made.policy == "weighted" else {},
        }
    )
    vetoing = plain.model_copy(update={"vetoes": (*plain.vetoes, name)})
    without = judge([v for v in verdicts if v.verifier != name], plain)
    judged = judge(verdicts, vetoing)
    if next(v for v in verdicts if v.verifier == name).passed is False:
        assert (judged.passed, judged.score) == (False, 0)
    else:
        assert judged == without


@settings(deadline=None, max_examples=120)
@given(
    st.dictionaries(st.sampled_from(NAMES), st.floats(0.001, 50), min_size=1),
    verdict_lists(ANY),
    st.floats(1e-300, 1e300),
    st.sampled_from([0.0, 0.3, 0.5, 0.9, 1.0]),
)
def test_only_the_ratios_of_weights_count(
    weights: dict[str, float], verdicts: list[Verdict], factor: float, threshold: float
) -> None:
    made = [
        config(policy="weighted", threshold=threshold, weights={n: w * times for n, w in weights.items()})
        for times in (1.0, factor)
    ]
    one, other = (judge(verdicts, each) for each in made)
    assert one.passed == other.passed
    assert one.reason == other.reason
    assert one.score == pytest.approx(other.score, abs=1e-12)


@settings(deadline=None, max_examples=80)
@given(configs(), st.permutations(list(NAMES)), verdict_lists(ANY))
def test_the_order_of_verdicts_changes_no_result(made: VerifyConfig, order: list[str], verdicts: list[Verdict]) -> None:
    shuffled = sorted(verdicts, key=lambda v: order.index(v.verifier))
    one, other = judge(verdicts, made), judge(shuffled, made)
    assert one.passed == other.passed
    assert one.score == pytest.approx(other.score, abs=1e-12)


@settings(deadline=None, max_examples=80)
@given(configs(), verdict_lists(ANY))
def test_whoever_decided_alone_could_have_changed_it(made: VerifyConfig, verdicts: list[Verdict]) -> None:
    """Where the policy alone decides: a veto or a requirement comes first, whatever the others say."""
    made = made.model_copy(update={"vetoes": (), "required": ()})
    decision = policy_of(made).decide(verdicts)
    if len(decision.by) != 1:
        return
    name, passed = decision.by[0].verifier, decision.judged.passed
    others = [said(name, *pair) for pair in ((1.0, True), (0.0, False), (None, None))]
    turned = {judge([one if v.verifier == name else v for v in verdicts], made).passed for one in others}
    assert turned - {passed}


def test_a_share_for_the_prompts_own_verifiers_holds_for_each_of_them() -> None:
    made = config(
        verifiers=["prompt", "exact"], policy="weighted", weights={"prompt": 0.9, "exact": 0.1}, threshold=0.9
    )
    assert judge([said("numeric", 1, True), said("exact", 0, False)], made)[:2] == (True, pytest.approx(0.9))
    assert judge([said("numeric", 0, False), said("exact", 1, True)], made)[:2] == (False, pytest.approx(0.1))


def test_what_is_required_and_missing_leaves_an_answer_undecided() -> None:
    made = config(verifiers=["prompt", "exact"], required=["prompt"])
    assert judge([said("exact", 1, True)], made) == (None, None, "unscored")
    assert judge([said("exact", 1, True), said("yes_no", 1, True)], made).passed is True


def test_a_required_failure_has_the_least_score_of_all() -> None:
    made = config(verifiers=["numeric", "exact"], policy="mean", threshold=0.1, required=["numeric"])
    assert judge([said("numeric", 0.5, False, "far"), said("exact", 0.2, False)], made) == (False, 0.2, "far")


def test_configurations_that_look_alike_are_not_mixed_up() -> None:
    verdicts = [said("numeric", 1, True), said("exact", 0, False)]
    for _ in range(50):
        judged = [judge(verdicts, config(policy="mean", threshold=t)).passed for t in (0.4, 0.6)]
        assert judged == [True, False]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"verifiers": ["exact"], "vetoes": ["exact"]}, "nothing could pass by policy all"),
        ({"policy": "weighted", "weights": {"a": 1, "b": 1}, "vetoes": ["a"]}, "a: a veto only fails"),
        ({"policy": "weighted", "weights": {"a": float("inf")}}, "finite"),
        ({"policy": "weighted", "weights": {"a": float("nan")}}, "finite"),
    ],
)
def test_what_could_decide_nothing_is_refused(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        config(**fields)
