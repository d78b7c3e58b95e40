"""Intervals of counted shares: by hand where items are alone, wider where they share a picture, none of nothing."""

from __future__ import annotations

import pytest

from ratchet.evaluate import intervals
from ratchet.evaluate.outcomes import Outcome
from ratchet.statistics import clustered_share, wilson
from tests.unit.registry.rows import outcome


def asked(*said: tuple[bool | None, bool], **fields: str) -> list[Outcome]:
    return [outcome(n, "candidate", None, yes=yes, truth_yes=true, **fields) for n, (yes, true) in enumerate(said)]


def test_yes_no_shares_have_the_intervals_of_what_they_are_of() -> None:
    found = intervals.of_outcomes(asked((True, True), (True, False), (False, True), (None, True), (False, False)))[
        "yes_no"
    ]
    assert found["accuracy"] == pytest.approx(wilson(2, 5), abs=1e-6)
    assert found["precision"] == pytest.approx(wilson(1, 2), abs=1e-6)
    assert found["recall"] == pytest.approx(wilson(1, 3), abs=1e-6)
    assert found["yes_ratio"] == pytest.approx(wilson(2, 4), abs=1e-6)
    low, high = found["f1"]
    assert low < 2 / 5 < high
    assert "true_yes_ratio" not in found


def test_mentions_of_a_caption_are_one_cluster_and_so_are_items_of_a_picture() -> None:
    rows = [outcome(n, "candidate", None, mentioned=4, hallucinated=4 * (n % 2), covered=1, truth=2) for n in range(20)]
    found = intervals.of_outcomes(rows)["chair"]
    marks = [(n % 2 == 1, n) for n in range(20) for _ in range(4)]
    by_hand = clustered_share([mark for mark, _ in marks], [key for _, key in marks])
    assert found["chair_i"] == pytest.approx(by_hand, abs=1e-6)
    assert found["chair_s"] == pytest.approx(wilson(10, 20), abs=1e-2), "a caption counts once, whatever it mentions"
    alone, shared = asked(*[(n % 3 == 0, True) for n in range(30)]), asked(*[(n % 3 == 0, True) for n in range(30)])
    shared = [
        row.model_copy(update={"split_key": f"picture-{int(row.yes or 0)}{n % 2}"}) for n, row in enumerate(shared)
    ]
    widths = [high - low for low, high in (intervals.of_outcomes(rows)["yes_no"]["recall"] for rows in (alone, shared))]
    assert widths[0] < widths[1]


def test_what_is_of_nothing_has_no_interval_and_no_change() -> None:
    rows = asked((False, False), (None, False))
    assert {*intervals.of_outcomes(rows)["yes_no"]} == {"accuracy", "yes_ratio"}
    assert "chair" not in intervals.of_outcomes(rows)
    pairs = list(zip(rows, asked((True, False), (True, False)), strict=True))
    assert {*intervals.of_pairs(pairs)["yes_no"]} == {"accuracy", "yes_ratio"}, "one side never said yes"


def test_a_change_is_paired_and_candidate_minus_champion() -> None:
    ours = [outcome(n, "candidate", None, mentioned=4, hallucinated=1) for n in range(40)]
    theirs = [outcome(n, "champion", None, mentioned=4, hallucinated=2) for n in range(40)]
    found = intervals.of_pairs(zip(ours, theirs, strict=True))["chair"]
    assert (found["chair_i"]["delta"], found["chair_s"]["delta"], found["chair_i"]["n"]) == (-0.25, 0.0, 40)
    assert found["chair_i"]["low"] <= -0.25 <= found["chair_i"]["high"] < 0
