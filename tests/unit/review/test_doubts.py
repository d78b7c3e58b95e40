"""Which answers come into the queue."""

from __future__ import annotations

import pytest

from ratchet.errors import RoundError
from ratchet.review.doubts import queue
from tests.unit.loops import LOOP, new_loop, opened
from tests.unit.review.made import HOSTILE, reviewed_loop


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return reviewed_loop(tmp_path_factory.mktemp("reviewed"))


def test_each_sort_of_doubt_is_found_and_what_is_clear_is_not(made):
    doubts, _ = queue(made[1], LOOP, flips=True)
    found = {one.text: ({*one.why} - {"random"}, one.split, one.verdict) for one in doubts if one.why != ("random",)}
    assert found == {
        HOSTILE: ({"disagree", "threshold"}, "pool", True),
        "near": ({"threshold", "imprecise"}, "pool", True),
        "voted": ({"imprecise"}, "pool", True),
        "candidate says False": ({"flip"}, "holdout", False),
    }
    flip = next(one for one in doubts if one.split == "holdout")
    assert flip.before == "champion says True"


def test_sorts_come_in_turn_and_the_queue_is_cut(made):
    doubts, _ = queue(made[1], LOOP, most=2)
    assert len(doubts) == 2
    assert doubts[0].why[:2] == ("disagree", "threshold")
    assert queue(made[1], LOOP, most=2)[0] == doubts, "the same ones each time"


def test_an_audit_that_is_good_enough_raises_no_doubt(made):
    doubts, _ = queue(made[1], LOOP, precise=0.5)
    assert not any("imprecise" in one.why for one in doubts)


def test_the_pictures_of_all_doubts_are_at_hand(made):
    doubts, banks = queue(made[1], LOOP, flips=True)
    for one in doubts:
        assert all(any(i.sha256 in bank for bank in banks) for i in one.prompt.images), one.split


def test_no_report_item_can_come_into_the_queue_and_holdout_items_only_when_asked_for(made):
    doubts, _ = queue(made[1], LOOP, flips=True)
    assert {one.split for one in doubts} == {"pool", "holdout"}
    assert {one.split for one in queue(made[1], LOOP)[0]} == {"pool"}


def test_some_answers_are_drawn_at_random_so_that_what_nothing_doubts_is_looked_at_too(made):
    doubts, _ = queue(made[1], LOOP)
    assert next(one.why for one in doubts if one.text == "clear") == ("random",)
    assert all("random" in one.why for one in doubts), "there are fewer than a quarter of the queue"
    assert sum("random" in one.why for one in queue(made[1], LOOP, most=4)[0]) == 1


def test_a_loop_without_verdicts_says_what_makes_them(tmp_path):
    settings = new_loop(tmp_path)
    from ratchet.store import open_store

    opened(settings)
    with pytest.raises(RoundError, match=r"no round of loop mine has verdicts to review; `ratchet verify"):
        queue(open_store(settings.root), LOOP)
    with pytest.raises(RoundError, match=r"round 1 of loop mine has no verdicts to review"):
        queue(open_store(settings.root), LOOP, 1)
