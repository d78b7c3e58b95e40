"""Intervals and differences of a suite's primary figure."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import pytest

from ratchet.errors import ArtifactError
from ratchet.evaluate.suites import Mark, Marked, Suite, SuiteFigures, suite
from ratchet.evaluate.suites.counting import accuracy
from ratchet.evaluate.suites.figures import Measured, clusters, delta, figures, is_mean
from ratchet.statistics import clustered_share, paired_delta

POPE = suite("pope")
PLAIN = replace(POPE, name="plain", primary="accuracy", metrics=accuracy)


def pairs_right(rows: Iterable[Marked]) -> SuiteFigures:
    """Share of units whose items are all right, as MMVP counts."""
    units: dict[str, bool] = {}
    for row in rows:
        units[row.unit or ""] = units.get(row.unit or "", True) and bool(row.mark.correct)
    return {"pair_accuracy": sum(units.values()) / len(units) if units else None}


PAIRS = replace(POPE, name="pairs", primary="pair_accuracy", metrics=pairs_right)


def rows(right: Callable[[int], bool], n: int = 400, cluster: int = 1, unit: int = 2) -> list[Marked]:
    return [
        Marked(
            key=f"k{i}", category="c", unit=f"u{i // unit}", cluster=f"c{i // cluster}", reference="yes", facts={},
            mark=Mark(float(right(i)), "yes" if right(i) else "no"),
        )
        for i in range(n)
    ]  # fmt: skip


def measured(of: Suite, marked: Sequence[Marked]) -> Measured:
    return Measured(of, "d" * 64, marked)


def coin(seed: int, share: float = 0.5) -> Callable[[int], bool]:
    drawn = random.Random(seed)
    known = [drawn.random() < share for _ in range(5000)]
    return lambda i: known[i]


def test_items_hang_together_by_picture_and_by_unit() -> None:
    found = clusters(rows(coin(1), n=8, cluster=3, unit=2))
    assert sorted(len(group) for group in found.values()) == [2, 6], "k2 and k3 are of one unit and of two pictures"
    assert sorted(len(group) for group in clusters(rows(coin(1), n=8, cluster=4, unit=2)).values()) == [4, 4]


def test_a_mean_has_the_clustered_interval_and_the_paired_delta_of_the_statistics() -> None:
    ours, theirs = rows(coin(1, 0.7), cluster=4), rows(coin(2, 0.5), cluster=4)
    labels = [row.cluster for row in ours]
    low, high = figures(measured(PLAIN, ours))["interval"]
    assert (low, high) == pytest.approx(clustered_share([row.mark.score or 0 for row in ours], labels), abs=1e-6)
    found = delta(measured(PLAIN, ours), measured(PLAIN, theirs))
    assert found is not None
    scores = ([row.mark.score or 0.0 for row in side] for side in (ours, theirs))
    expected = paired_delta(*scores, labels)
    assert (found["test"], found["low"]) == ("paired", pytest.approx(expected.low, abs=1e-6))
    assert (found["n"], found["clusters"]) == (400, 100)


def test_only_a_mean_is_taken_for_one() -> None:
    marked = rows(coin(3, 0.6))
    assert is_mean(measured(PLAIN, marked))
    assert not is_mean(measured(PAIRS, marked))
    assert not is_mean(measured(POPE, marked))


def test_halves_of_the_clusters_give_the_standard_error_of_a_share_of_units() -> None:
    marked = rows(coin(5, 0.8), n=2000)
    found = figures(measured(PAIRS, marked))
    share = found["pair_accuracy"]
    low, high = found["interval"]
    expected = 1.96 * (share * (1 - share) / 1000) ** 0.5
    assert (high - low) / 2 == pytest.approx(expected, rel=0.15)


def test_few_clusters_widen_the_interval_of_halves_and_very_few_have_none() -> None:
    def half(pictures: int) -> tuple[float, float] | None:
        found: tuple[float, float] | None = figures(measured(PAIRS, rows(coin(5, 0.8), n=pictures * 2)))["interval"]
        return found

    assert half(9) is None
    found = half(12)
    share = pairs_right(rows(coin(5, 0.8), n=24))["pair_accuracy"]
    assert found is not None
    assert isinstance(share, float)
    # 2.2 is the quantile of t with 11 degrees of freedom.
    assert (found[1] - found[0]) / 2 == pytest.approx(2.2 * (share * (1 - share) / 11) ** 0.5, rel=0.15)


def test_what_could_not_be_read_is_a_share_of_what_was_scored() -> None:
    marks = [Mark(None, None, "timeout"), Mark(0.0, None, "unparsed"), Mark(1.0, "yes"), Mark(0.0, "no")]
    found = accuracy([replace(row, mark=mark) for row, mark in zip(rows(coin(1), n=4), marks, strict=True)])
    assert (found["unscored"], found["unparsed"]) == (1, pytest.approx(1 / 3, abs=1e-6))


def test_the_delta_of_any_other_figure_is_measured_on_halves_with_units_whole() -> None:
    ours, theirs = rows(coin(6, 0.9)), rows(coin(7, 0.6))
    found = delta(measured(PAIRS, ours), measured(PAIRS, theirs))
    assert found is not None
    whole = pairs_right(ours)["pair_accuracy"], pairs_right(theirs)["pair_accuracy"]
    assert found["delta"] == pytest.approx(whole[0] - whole[1], abs=1e-6)  # type: ignore[operator]
    assert (found["test"], found["clusters"]) == ("halves", 200)
    assert 0 < found["low"] < found["delta"] < found["high"]
    assert found == delta(measured(PAIRS, ours), measured(PAIRS, theirs)), "the same each time"


def test_unscored_items_are_left_out_of_the_pairs() -> None:
    ours, theirs = rows(coin(8)), rows(coin(9))
    ours[0] = replace(ours[0], mark=Mark(None))
    found = delta(measured(PLAIN, ours), measured(PLAIN, theirs))
    assert found is not None
    assert found["n"] == 399
    nobody = [replace(row, mark=Mark(None)) for row in theirs]
    assert delta(measured(PLAIN, ours), measured(PLAIN, nobody)) is None
    assert figures(measured(PLAIN, nobody))["interval"] is None


def test_other_items_another_judge_and_missing_answers_are_not_compared() -> None:
    one = measured(PLAIN, rows(coin(1)))
    with pytest.raises(ArtifactError, match="their items differ, so they are not compared"):
        delta(one, replace(one, digest="e" * 64))
    judges = ({"judge": {"model": "a"}, "prompt": "p"}, {"judge": {"model": "b"}, "prompt": "p"})
    with pytest.raises(ArtifactError, match=r"different judges or prompts \(judge differ\)"):
        delta(replace(one, judge=judges[0]), replace(one, judge=judges[1]))
    with pytest.raises(ArtifactError, match="did not answer the same items"):
        delta(one, replace(one, rows=one.rows[1:]))
