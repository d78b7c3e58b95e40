from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.evaluate import Outcome, metrics


def outcome(number: int = 0, **fields: Any) -> Outcome:
    plain = {
        "prompt_id": f"p{number}",
        "split_key": f"k{number}",
        "skill": "count",
        "role": "candidate",
        "text": "2",
        "correct": True,
        "score": 1.0,
        "reason": "match",
        "unparsed": False,
        "clipped": False,
    }
    return Outcome.model_validate(plain | fields)


def marked(*marks: bool | None, **fields: Any) -> list[Outcome]:
    return [outcome(number, correct=mark, **fields) for number, mark in enumerate(marks)]


def test_accuracy_leaves_unscored_items_out_and_counts_them():
    found = metrics.accuracy(marked(True, True, False, None))
    assert (found.items, found.scored, found.unscored) == (4, 3, 1)
    assert found.accuracy == pytest.approx(2 / 3, abs=1e-6)
    # By hand: (2 + z^2/2 -+ z sqrt(2 * 1 / 3 + z^2/4)) / (3 + z^2) with z = 1.95996.
    assert (found.low, found.high) == (pytest.approx(0.2077, abs=1e-4), pytest.approx(0.9385, abs=1e-4))


def test_items_that_share_a_picture_make_the_interval_wider():
    alone = metrics.accuracy(marked(*[True] * 30, *[False] * 30))
    same = metrics.accuracy([outcome(i, correct=i < 30, split_key=f"picture {i // 10}") for i in range(60)])
    assert same.accuracy == alone.accuracy == 0.5
    assert same.high - same.low > 2 * (alone.high - alone.low)


def test_pass_at_k_is_told_for_every_power_of_two_up_to_the_samples():
    found = metrics.sampled([outcome(0, samples=6, samples_correct=3), outcome(1, samples=6, samples_correct=0)])
    assert found is not None
    # By hand: 1 - C(3, k) / C(6, k), halved, since the other prompt is never right.
    assert found.at == {"1": 0.25, "2": 0.4, "4": 0.5, "6": 0.5}
    assert found.low < found.pass_at_k == 0.5 < found.high
    with pytest.raises(ValueError, match="pass@7"):
        metrics.pass_at([outcome(0, samples=6)], 7)


def test_accuracy_of_nothing_is_undefined():
    found = metrics.accuracy(marked(None))
    assert (found.accuracy, found.low, found.high) == (None, 0.0, 1.0)


def test_yes_no_counts_as_pope_does():
    said = [(True, True), (True, True), (True, False), (False, True), (False, False), (None, True), (None, False)]
    found = metrics.yes_no([outcome(i, yes=yes, truth_yes=truth) for i, (yes, truth) in enumerate(said)])
    assert found is not None
    assert (found.items, found.unparsed) == (7, 2)
    assert found.accuracy == pytest.approx(3 / 7, abs=1e-6)
    assert found.precision == pytest.approx(2 / 3, abs=1e-6)
    assert found.recall == pytest.approx(2 / 4)
    assert found.f1 == pytest.approx(4 / 7, abs=1e-6)
    assert found.yes_ratio == pytest.approx(3 / 5)
    assert found.true_yes_ratio == pytest.approx(4 / 7, abs=1e-6)


def test_a_model_that_never_says_yes_has_no_precision_and_recall_zero():
    found = metrics.yes_no([outcome(0, yes=False, truth_yes=True), outcome(1, yes=False, truth_yes=False)])
    assert found is not None
    assert (found.precision, found.recall, found.f1, found.yes_ratio) == (None, 0.0, 0.0, 0.0)


def test_chair_divides_hallucinated_by_mentioned_over_all_captions():
    captions = [(3, 1, 2, 4), (2, 0, 2, 2), (0, 0, 0, 1)]
    found = metrics.chair(
        [outcome(i, mentioned=m, hallucinated=h, covered=c, truth=t) for i, (m, h, c, t) in enumerate(captions)]
    )
    assert found is not None
    assert (found.captions, found.mentioned, found.hallucinated) == (3, 5, 1)
    assert found.chair_i == pytest.approx(1 / 5)
    assert found.chair_s == pytest.approx(1 / 3, abs=1e-6)
    assert found.cover == pytest.approx(4 / 7, abs=1e-6)


def test_captions_without_objects_or_truth_are_undefined_and_not_a_crash():
    found = metrics.chair([outcome(0, mentioned=0, hallucinated=0, covered=0, truth=0)])
    assert found is not None
    assert (found.chair_i, found.chair_s, found.cover) == (None, 0.0, None)


def test_metrics_of_other_kinds_of_items_are_absent():
    plain = marked(True, False)
    assert metrics.yes_no(plain) is None
    assert metrics.chair(plain) is None
    assert metrics.sampled(plain) is None


def test_pass_at_k_is_the_share_of_prompts_with_any_right_sample():
    drawn = [(4, 0, 2), (4, 1, 4), (4, 4, 1), (3, 3, 1)]
    found = metrics.sampled([outcome(i, samples=n, samples_correct=c, distinct=d) for i, (n, c, d) in enumerate(drawn)])
    assert found is not None
    assert (found.k, found.prompts) == (4, 3), "a prompt with an unscored sample is left out"
    assert found.pass_at_k == pytest.approx(2 / 3, abs=1e-6)
    assert found.mean_correct == pytest.approx(5 / 12, abs=1e-6)
    assert found.distinct == pytest.approx(7 / 3, abs=1e-6)


def test_rates_of_clipped_and_unparsed_answers():
    found = metrics.of_model(
        [outcome(0, clipped=True, unparsed=True), outcome(1, clipped=True), outcome(2), outcome(3)]
    )
    assert (found["clipped"], found["unparsed"]) == (0.5, 0.25)


def test_the_summary_pairs_both_models_on_the_same_items():
    candidate = marked(True, True, False, True, None)
    champion = marked(True, False, False, False, True, role="champion")
    found = metrics.summary([*candidate, *champion])
    assert found["candidate"]["accuracy"] == 0.75
    assert found["champion"]["accuracy"] == 0.4
    assert found["delta"]["n"] == 4, "the item that is unscored for one is in no delta"
    assert found["delta"]["delta"] == 0.5
    assert found["delta"]["low"] < 0.5 < found["delta"]["high"]
    assert found["deltas"]["skills"]["count"] == found["delta"]
    assert (found["deltas"]["pass_at_k"], found["deltas"]["chair_i"]) == (None, None)


def test_the_delta_of_chair_compares_ratios_of_sums():
    def captions(role: str, *rows: tuple[int, int]) -> list[Outcome]:
        return [
            outcome(i, role=role, skill="caption", mentioned=m, hallucinated=h, covered=m - h, truth=4)
            for i, (m, h) in enumerate(rows)
        ]

    found = metrics.summary([*captions("candidate", (4, 0), (4, 1)), *captions("champion", (4, 2), (2, 1))])
    assert found["deltas"]["chair_i"]["delta"] == pytest.approx(1 / 8 - 3 / 6)


def test_items_of_one_cluster_are_counted_as_one():
    rows = [
        *marked(True, True, False, role="candidate", split_key="same"),
        *marked(False, True, False, role="champion", split_key="same"),
    ]
    found = metrics.summary(rows)
    assert (found["delta"]["n"], found["delta"]["clusters"]) == (3, 1)


def test_one_model_alone_has_no_delta():
    found = metrics.summary(marked(True))
    assert set(found) == {"candidate"}


def test_counts_are_over_both_models():
    rows = [*marked(True, None), *marked(False, None, role="champion", clipped=True)]
    assert metrics.counts(rows) == {"items": 2, "outcomes": 4, "unscored": 2, "unparsed": 0, "clipped": 2}


_outcomes = st.lists(
    st.builds(
        outcome,
        number=st.integers(0, 9),
        role=st.sampled_from(["champion", "candidate"]),
        skill=st.sampled_from(["a", "b"]),
        correct=st.sampled_from([True, False, None]),
        yes=st.sampled_from([True, False, None]),
        truth_yes=st.sampled_from([True, False, None]),
        samples=st.integers(0, 3).map(lambda n: n and 3),
    ),
    max_size=20,
    unique_by=lambda o: (o.role, o.prompt_id),
)


@given(_outcomes)
def test_any_outcomes_give_a_summary_that_is_json_with_shares_between_zero_and_one(outcomes):
    found = json.loads(json.dumps(metrics.summary(outcomes), allow_nan=False))
    for role in ("champion", "candidate"):
        if role in found:
            accuracy = found[role]["accuracy"]
            assert accuracy is None or found[role]["low"] <= accuracy <= found[role]["high"]


@given(_outcomes, st.randoms())
def test_the_order_of_outcomes_does_not_matter(outcomes, random):
    mixed = list(outcomes)
    random.shuffle(mixed)
    assert metrics.summary(mixed) == metrics.summary(outcomes)
