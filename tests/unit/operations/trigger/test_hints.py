"""The queue of hints: a loop stands in it once, and is in one hand at a time."""

from __future__ import annotations

import threading
import time
from collections import Counter
from itertools import pairwise

from ratchet.operations.trigger.hints import Hints


def test_a_loop_that_is_hinted_at_often_is_looked_at_once() -> None:
    hints = Hints()
    assert all(hints.put("a") for _ in range(100))
    assert hints.put("b")
    assert hints.depth() == 2
    assert [hints.take(0), hints.take(0), hints.take(0)] == ["a", "b", None]


def test_a_hint_that_comes_during_a_look_makes_another_look_after_it() -> None:
    hints = Hints(rest=0)
    hints.put("a")
    assert hints.take(0) == "a"
    hints.put("a")
    hints.put("a")
    assert hints.take(0) is None, "it is in one hand already"
    hints.done("a")
    assert hints.take(0) == "a"
    hints.done("a")
    assert hints.take(0) is None


def test_a_look_that_settled_nothing_is_made_again_after_a_while() -> None:
    hints = Hints(rest=0)
    hints.put("a")
    assert hints.take(0) == "a"
    hints.done("a", again=0.2)
    begun = time.monotonic()
    assert hints.take(0) is None
    assert hints.take(60) == "a"
    assert time.monotonic() - begun > 0.15
    hints.close()
    hints.done("a", again=0.2)
    assert hints.drained, "at the end nothing is tried again"


def test_a_full_queue_says_so_and_still_takes_what_waits_already() -> None:
    hints = Hints(most=2)
    assert hints.put("a")
    assert hints.put("b")
    assert not hints.put("c")
    assert hints.put("a")


def test_a_closed_queue_takes_no_more_and_hands_out_what_it_has() -> None:
    hints = Hints()
    hints.put("a")
    hints.close()
    assert not hints.put("b")
    assert not hints.drained
    assert hints.take(0) == "a"
    assert not hints.drained, "it is still being looked at"
    hints.done("a")
    assert hints.drained


def test_no_hint_is_lost_and_no_loop_is_in_two_hands_under_many_threads() -> None:
    hints, taken, held, both = Hints(rest=0.001), Counter[str](), Counter[str](), []

    def work() -> None:
        while not hints.drained:
            loop = hints.take(1.0)
            if loop is None:
                continue
            held[loop] += 1
            both.append(held[loop])
            taken[loop] += 1
            held[loop] -= 1
            hints.done(loop)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for number in range(2000):
        assert hints.put(f"loop-{number % 7}")
    hints.close()
    for worker in workers:
        worker.join(240)
    assert set(taken) == {f"loop-{n}" for n in range(7)}
    assert max(both) == 1


def test_a_flood_of_hints_costs_few_looks_and_the_last_of_them_is_looked_at() -> None:
    hints, looks = Hints(rest=0.1), list[float]()
    while len(looks) < 5:
        hints.put("a")
        if hints.take(0) is not None:
            looks.append(time.monotonic())
            hints.put("a")
            hints.done("a")
    assert all(later - earlier >= 0.1 for earlier, later in pairwise(looks))
    assert hints.take(60.0) == "a"


def test_a_loop_that_rests_keeps_no_other_waiting() -> None:
    hints = Hints(rest=3600)
    hints.put("a")
    assert hints.take(0) == "a"
    hints.done("a")
    hints.put("a")
    hints.put("b")
    assert hints.take(0) == "b"
    assert hints.take(0.01) is None
    hints.close()
    assert hints.take(0) == "a", "at the end nothing rests"
