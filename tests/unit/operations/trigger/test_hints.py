"""The queue of hints: a loop stands in it once, and is in one hand at a time."""

from __future__ import annotations

import threading
from collections import Counter

from ratchet.operations.trigger.hints import Hints


def test_a_loop_that_is_hinted_at_often_is_looked_at_once() -> None:
    hints = Hints()
    assert all(hints.put("a") for _ in range(100))
    assert hints.put("b")
    assert hints.depth() == 2
    assert [hints.take(0), hints.take(0), hints.take(0)] == ["a", "b", None]


def test_a_hint_that_comes_during_a_look_makes_another_look_after_it() -> None:
    hints = Hints()
    hints.put("a")
    assert hints.take(0) == "a"
    hints.put("a")
    hints.put("a")
    assert hints.take(0) is None, "it is in one hand already"
    hints.done("a")
    assert hints.take(0) == "a"
    hints.done("a")
    assert hints.take(0) is None


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
    hints, taken, held, both = Hints(), Counter[str](), Counter[str](), []

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
        worker.join(30)
    assert set(taken) == {f"loop-{n}" for n in range(7)}
    assert max(both) == 1
