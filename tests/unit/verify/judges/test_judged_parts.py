"""Verifiers that ask about each part of an answer, its claims or its steps, against recorded replies."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ratchet.generate.engine import Answer, Request
from tests.unit.verify.judges.asked import LIST, Bench, reply, told

# claims


def test_claims_of_a_list_are_asked_one_by_one_and_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lambda text, _: "no" if "square" in text else "yes", LIST)
    right, wrong, none = bench.verdicts("red circle , blue circle", "red circle , red square , red circle", " , ")
    assert told([right, wrong, none]) == [(1.0, True, "accepted"), (0.5, False, "rejected"), (None, None, "no_claims")]
    assert [(p.name, p.score) for p in wrong.parts] == [("red circle", 1.0), ("red square", 0.0)]
    asked = sorted(r.messages[-1].content for r in bench.asked)
    assert asked == ["is there a blue circle ?", "is there a red circle ?", "is there a red square ?"]
    assert right.tokens == wrong.tokens == 2 * 12


def test_the_worst_claim_can_decide_and_likelihoods_can_count(tmp_path: Path) -> None:
    def said(text: str, _: Request) -> Answer:
        return reply("no" if "square" in text else "yes", logprob_sum=math.log(0.8))

    options = {"by": "likelihood", "combine": "min", "passes": 0.5}
    first, second = Bench(tmp_path, said, LIST | options).verdicts("red circle", "red circle , red square")
    assert told([first, second]) == [(0.8, True, "accepted"), (0.2, False, "rejected")]
    mute = Bench(tmp_path / "m", lambda *_: reply("yes"), LIST | options).verdicts("red circle")
    assert mute[0].reason == "no_likelihood"
    wordy = Bench(tmp_path / "w", lambda *_: reply("yes , it is", logprob_sum=-0.1), LIST | options).verdicts(
        "red circle"
    )
    assert wordy[0].reason == "unparsed"


def test_one_claim_that_is_not_decided_leaves_the_answer_undecided(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lambda text, _: "maybe" if "square" in text else "yes", LIST)
    (verdict,) = bench.verdicts("red circle , red square")
    assert told([verdict]) == [(None, None, "unparsed")]
    assert [p.name for p in verdict.parts] == ["red circle"]
    assert Bench(tmp_path, lambda *_: "yes", LIST | {"most": 1}).verdicts("a , b")[0].reason == "too_many_claims"


def test_a_model_can_name_the_claims_and_sees_no_picture_for_it(tmp_path: Path) -> None:
    def said(text: str, request: Request) -> str:
        if text.startswith("Text:"):
            assert request.images == ()
            return "nothing to list" if "bad" in text else "none" if "void" in text else "- a dog runs\n- it is red"
        assert request.images
        return "no" if "red" in text else "yes"

    verdicts = Bench(tmp_path, said, "claims").verdicts("a red dog runs", "bad", "void")
    assert told(verdicts) == [(0.5, False, "rejected"), (None, None, "unparsed"), (None, None, "no_claims")]
    assert verdicts[0].tokens == (10 + 9) + 2 * (10 + 2)


# steps


def test_each_step_is_judged_with_those_before_it_in_view(tmp_path: Path) -> None:
    config = {"name": "steps", "template": "{before}|{step}|{question}"}
    bench = Bench(tmp_path, lambda text, _: "no" if "|wrong|" in text else "yes", config)
    (verdict,) = bench.verdicts("right\nwrong\nright")
    assert [(p.name, p.score) for p in verdict.parts] == [("step 1", 1.0), ("step 2", 0.0), ("step 3", 1.0)]
    assert verdict.score == pytest.approx(2 / 3)
    seen = {r.messages[-1].content.rsplit("|", 1)[0] for r in bench.asked}
    assert seen == {"|right", "right|wrong", "right\nwrong|right"}
    for combine, score in [("min", 0.0), ("last", 1.0)]:
        found = Bench(tmp_path / combine, lambda t, _: "no" if "|wrong|" in t else "yes", config | {"combine": combine})
        assert found.verdicts("right\nwrong\nright")[0].score == score
    assert Bench(tmp_path, lambda *_: "yes", config | {"most": 2}).verdicts("a\nb\nc")[0].reason == "too_many_steps"


def test_a_steps_value_is_the_share_of_continuations_that_end_right(tmp_path: Path) -> None:
    ends = iter(["3", "3", "4", "3"] * 9)

    def said(_: str, request: Request) -> str:
        assert request.begun in ("so", "so\nthen")
        return f" <answer>{next(ends)}</answer>" if request.begun == "so" else " <answer>4</answer>"

    config = {"name": "step_values", "continuations": 4}
    bench = Bench(tmp_path, said, config)
    (verdict,) = bench.verdicts("so\nthen\n<answer>3</answer>")
    assert [p.score for p in verdict.parts] == [0.75, 0.0, 1.0]
    assert verdict.score == pytest.approx(1.75 / 3)
    assert [p.k for p in bench.engine.params] == [4]
    assert bench.engine.params[0].temperature == 1.0
    assert told(bench.verdicts("x", reference=None)) == [(None, None, "no_reference")]
    undecided = Bench(tmp_path / "u", said, config).verdicts("3", verifiers=())
    assert undecided[0].reason == "no_right_or_wrong_ends"


def test_a_chain_of_one_step_is_worth_what_its_end_is(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lambda *_: "", "step_values")
    assert told(bench.verdicts("3", "4")) == [(1.0, True, "accepted"), (0.0, False, "rejected")]
    assert bench.asked == []
