"""The verifier that compares answers, against recorded replies."""

from __future__ import annotations

from pathlib import Path

from ratchet.generate.engine import Answer, Request
from ratchet.verify.judged.pairwise import Pairwise
from tests.unit.verify.judges.asked import Bench, group, told

DUEL = {"name": "pairwise", "template": "{first} / {second} / {question}"}


def first_of(text: str) -> str:
    return text.split(" / ")[0]


def test_a_win_is_one_in_both_orders(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lambda text, _: "first" if first_of(text) == "good" else "second", DUEL)
    good, bad = bench.verdicts("good", "bad")
    assert told([good, bad]) == [(1.0, True, "win"), (0.0, False, "loss")]
    assert (good.versus, bad.versus) == (1, 0)
    assert sorted(first_of(r.messages[-1].content) for r in bench.asked) == ["bad", "good"]
    assert good.tokens == bad.tokens == 2 * 12


def test_a_verdict_that_flips_with_the_order_is_unscored(tmp_path: Path) -> None:
    for word, reason in [("first", "inconsistent"), ("second", "inconsistent"), ("same", "tie")]:
        verdicts = Bench(tmp_path / word, lambda *_, w=word: w, DUEL).verdicts("a", "b")
        assert [v.reason for v in verdicts] == [reason] * 2
        assert [v.score for v in verdicts] == [0.5 if word == "same" else None] * 2
        assert [v.passed for v in verdicts] == [None] * 2
    half = Bench(tmp_path / "half", lambda text, _: "same" if first_of(text) == "a" else "first", DUEL)
    assert [v.reason for v in half.verdicts("a", "b")] == ["inconsistent"] * 2


def test_against_several_the_score_is_the_share_won_of_what_was_decided(tmp_path: Path) -> None:
    order = ["c", "b", "a"]

    def said(text: str, _: Request) -> str:
        one, other = text.split(" / ")[:2]
        if {one, other} == {"a", "d"}:
            return "first"
        return "first" if other == "d" or (one != "d" and order.index(one) < order.index(other)) else "second"

    bench = Bench(tmp_path, said, DUEL | {"opponents": 3})
    a, b, c, d = bench.verdicts("a", "b", "c", "d")
    assert [(v.score, v.reason) for v in (a, b, c, d)] == [(0.0, "loss"), (2 / 3, "win"), (1.0, "win"), (0.0, "loss")]
    assert a.detail == d.detail == "1 of 3 comparisons undecided"
    assert [(p.name, p.score) for p in b.parts] == [("versus 2", 0.0), ("versus 3", 1.0), ("versus 0", 1.0)]
    assert a.versus is None
    # Six pairs, each in both orders.
    assert len(bench.asked) == 12


def test_equal_answers_do_not_meet_and_one_alone_is_unscored(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lambda *_: "first", DUEL)
    assert [v.reason for v in bench.verdicts("a", "a")] == ["alone", "alone"]
    assert [v.reason for v in bench.verdicts("a", "")] == ["alone", "empty"]
    assert bench.asked == []


def test_against_the_reference(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path, lambda text, _: "first" if first_of(text) == "3" else "second", DUEL | {"against": "reference"}
    )
    assert told(bench.verdicts("4", "3", reference="3")) == [(0.0, False, "loss"), (0.5, None, "tie")]
    assert told(bench.verdicts("4", reference=None)) == [(None, None, "no_reference")]
    verifier = bench.panel.verifiers["pairwise"]
    assert isinstance(verifier, Pairwise)
    assert verifier.self_check(group().prompt.model_copy(update={"reference": None})) is not None


def test_a_comparison_that_breaks_is_an_error_and_one_that_is_not_read_is_none(tmp_path: Path) -> None:
    broken = Bench(tmp_path / "a", lambda *_: Answer.failed("timeout", "slow"), DUEL).verdicts("a", "b")
    assert [(v.reason, v.error) for v in broken] == [("timeout", "timeout: slow")] * 2
    unread = Bench(tmp_path / "b", lambda *_: "the better one", DUEL).verdicts("a", "b")
    assert [(v.reason, v.error, v.detail) for v in unread] == [("unparsed", None, "the better one")] * 2
