import re
import threading
import time
from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratchet.errors import ModelError, SamplingError, VerifierError, VerifierUnavailable
from ratchet.records import Group, Prompt, Verdict
from ratchet.verify import VERIFIERS, Finding, Rule, apply, per_completion
from ratchet.verify.limits import Overtime, within
from ratchet.verify.protocol import Pace
from tests import rows


def rule(check: Callable[[str], float], name: str = "own") -> Rule:
    def checked(_: Prompt, text: str) -> Finding:
        score = check(text)
        return Finding(score, score == 1, "match" if score == 1 else "wrong")

    return per_completion(checked, name=name)


def only(group: Group) -> list[Verdict]:
    return [verdict for c in group.completions for verdict in c.verdicts]


class Votes:
    """One if the answer is the group's most frequent: needs whole groups."""

    name, version = "votes", "1"

    def verify(self, groups: Sequence[Group]) -> list[list[Verdict]]:
        out = []
        for group in groups:
            texts = [c.text for c in group.completions]
            best = max(texts, key=texts.count)
            out.append(
                [
                    Verdict(verifier="votes", version="1", score=float(t == best), passed=t == best, reason="vote")
                    for t in texts
                ]
            )
        return out

    def self_check(self, prompt: Prompt) -> str | None:
        return None


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(rows.groups, max_size=3))
def test_adding_verdicts_keeps_everything_else(groups: list[Group]) -> None:
    verified = apply(groups, ["exact", "numeric"], 5.0)
    for before, after in zip(groups, verified, strict=True):
        assert after.model_copy(update={"completions": before.completions}) == before
        for old, new in zip(before.completions, after.completions, strict=True):
            assert new.verdicts[: len(old.verdicts)] == old.verdicts
            assert [v.verifier for v in new.verdicts[len(old.verdicts) :]] == ["exact", "numeric"]
            assert new.model_copy(update={"verdicts": old.verdicts}) == old


def test_prompts_name_their_verifiers_unless_the_recipe_does() -> None:
    group = rows.group(0, ("3", "4"))
    assert [v.verifier for v in only(apply([group], None, 60)[0])] == ["numeric"] * 2
    assert [v.verifier for v in only(apply([group], ["exact"], 60)[0])] == ["exact"] * 2


def test_an_unknown_verifier_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(VerifierError, match=r"'magic'; known: anls, caption, chart, choice, .*, yes_no"):
        apply([rows.group()], ["magic"], 60)


def test_without_a_reference_completions_are_unscored() -> None:
    group = rows.group()
    group = group.model_copy(update={"prompt": group.prompt.model_copy(update={"reference": None})})
    assert [(v.score, v.passed, v.reason, v.error) for v in only(apply([group], None, 60)[0])] == [
        (None, None, "no_reference", None)
    ] * 2


def test_a_crash_unscores_one_completion_and_the_rest_goes_on() -> None:
    def check(text: str) -> float:
        if text == "boom":
            raise RuntimeError(f"cannot read {object()}")
        return 1.0

    groups = [rows.group(i, ("3", "boom" if i == 7 else "4", "5")) for i in range(100)]
    verified = apply(groups, ["own"], 60, {"own": rule(check)})
    unscored = [v for g in verified for v in only(g) if v.score is None]
    assert sum(v.score == 1 for g in verified for v in only(g)) == 299
    assert [(v.passed, v.reason) for v in unscored] == [(None, "crash")]
    assert re.fullmatch(r"RuntimeError: cannot read <object object at 0x\.\.>", unscored[0].error or "")


@pytest.mark.parametrize("score", [float("nan"), float("inf"), 2.0, -0.5])
def test_a_score_outside_of_0_to_1_is_a_crash_and_no_score(score: float) -> None:
    (verdict, *_) = only(apply([rows.group()], ["own"], 60, {"own": rule(lambda _: score)})[0])
    assert (verdict.score, verdict.reason) == (None, "crash")


def test_a_late_completion_is_unscored_and_the_rest_goes_on() -> None:
    def check(text: str) -> float:
        while text == "late":
            pass
        return 1.0

    groups = [rows.group(i, ("late" if i == 3 else "3", "4")) for i in range(10)]
    verified = apply(groups, ["own"], 0.5, {"own": rule(check)})
    late = [v for g in verified for v in only(g) if v.score is None]
    assert [(v.passed, v.reason, v.error) for v in late] == [(None, "timeout", "not done within 0.5 s")]
    assert sum(v.score == 1 for g in verified for v in only(g)) == 19


def test_a_dead_verifier_is_given_up() -> None:
    def check(_: str) -> float:
        time.sleep(60)
        return 1.0

    start = time.monotonic()
    verified = apply([rows.group(i) for i in range(200)], ["own", "numeric"], 0.05, {**VERIFIERS, "own": rule(check)})
    assert time.monotonic() - start < 30
    assert all(v.score is None and v.error for g in verified for v in only(g) if v.verifier == "own")
    assert all(v.score is not None for g in verified for v in only(g) if v.verifier == "numeric")


def test_whole_groups_reach_a_verifier_that_needs_them() -> None:
    verified = apply([rows.group(0, ("3", "4", "3"))], ["votes"], 60, {"votes": Votes()})
    assert [v.score for v in only(verified[0])] == [1, 0, 1]


def test_a_verifier_that_skips_completions_is_unscored() -> None:
    class Short(Votes):
        def verify(self, groups: Sequence[Group]) -> list[list[Verdict]]:
            return [one[:1] for one in super().verify(groups)]

    verdicts = only(apply([rows.group()], ["votes"], 60, {"votes": Short()})[0])
    assert [v.score for v in verdicts] == [None, None]
    assert "gave 1 verdicts for 2 completions" in (verdicts[0].error or "")


def test_completions_that_the_engine_failed_to_make_are_unscored() -> None:
    group = rows.group(0, ("3", ""))
    failed = group.completions[1].model_copy(update={"finish_reason": "error"})
    verdicts = only(apply([group.model_copy(update={"completions": (group.completions[0], failed)})], None, 60)[0])
    assert [(v.score, v.reason) for v in verdicts] == [(1, "match"), (None, "not_generated")]


def test_groups_without_completions_and_no_groups_are_fine() -> None:
    empty = rows.group(0, ())
    assert apply([empty], None, 60) == [empty]
    assert apply([], None, 60) == []
    assert apply([rows.group()], [], 60) == [rows.group()]


def test_limits_hold_in_other_threads_too() -> None:
    said: list[object] = []

    def work() -> None:
        try:
            within(0.05, lambda: time.sleep(0.5))
        except Overtime as late:
            said.append(str(late))
        said.append(within(5, lambda: "done"))
        with pytest.raises(ZeroDivisionError):
            within(5, lambda: 1 / 0)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert said == ["not done within 0.05 s", "done"]


def test_a_limit_leaves_the_alarm_that_was_set_before() -> None:
    import signal

    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: rung.append(number))
    left, interval = signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        within(5, lambda: None)
        time.sleep(0.4)
        assert rung == [signal.SIGALRM]
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, left, interval)


def test_overtime_is_not_swallowed_by_a_verifier_that_catches_exceptions() -> None:
    def check(_: str) -> float:
        try:
            time.sleep(60)
        except Exception:
            return 1.0
        return 1.0

    assert all(v.score is None for v in only(apply([rows.group()], ["own"], 0.05, {"own": rule(check)})[0]))


def test_a_verifiers_own_batch_size_changes_nothing() -> None:
    class Slow(Rule):
        @property
        def pace(self) -> Pace:
            return Pace(batch=3, limited=False)

    groups = [rows.group(i, ("3", str(i % 5))) for i in range(20)]
    numeric = VERIFIERS["numeric"]
    assert isinstance(numeric, Rule)
    slow = Slow(**vars(numeric))
    assert apply(groups, None, 60, {"numeric": slow}) == apply(groups, None, 60)


def test_the_prompts_own_verifiers_stand_where_the_recipe_lists_them() -> None:
    group = rows.group(0, ("3", "4"))
    assert [v.verifier for v in only(apply([group], ["exact", "prompt"], 60)[0])] == ["exact", "numeric"] * 2
    assert [v.verifier for v in only(apply([group], ["numeric", "prompt"], 60)[0])] == ["numeric"] * 2


@pytest.mark.parametrize("error", [VerifierUnavailable, SamplingError, ModelError])
def test_what_would_meet_every_answer_is_raised_and_no_verdict(error: type[Exception]) -> None:
    def broken(_: str) -> float:
        raise error("the judge is away")

    with pytest.raises(error, match="away"):
        apply([rows.group()], ["own"], 60, {"own": rule(broken)})
