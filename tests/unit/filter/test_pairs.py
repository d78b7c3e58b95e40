from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.filter.pairs import Candidate, make_pairs
from ratchet.recipe import PairsConfig
from tests.unit.filter.cases import completion


def candidates(first: int, *given: tuple[str, float, int]) -> list[Candidate]:
    return [
        Candidate(completion(first + i, "+", text, n_tokens=n), score, "match" if score == 1 else "wrong")
        for i, (text, score, n) in enumerate(given)
    ]


def made(passed: list[Candidate], failed: list[Candidate], **config: Any) -> list[tuple[int, int]]:
    return [(p.chosen, p.rejected) for p in make_pairs(passed, failed, PairsConfig.model_validate(config))]


def test_a_pair_says_its_margin_kind_and_reason() -> None:
    (pair,) = make_pairs(candidates(0, ("a", 1, 2)), candidates(5, ("b", 0.25, 2)), PairsConfig())
    assert (pair.chosen, pair.rejected, pair.kind, pair.margin, pair.reason) == (0, 5, "text", 0.75, "match_over_wrong")


def test_margins_below_the_least_make_no_pair() -> None:
    assert made(candidates(0, ("a", 1, 2)), candidates(5, ("b", 0.6, 2)), min_margin=0.5) == []


def test_widest_margin_first_and_then_most_alike_in_length() -> None:
    passed = candidates(0, ("a", 1, 4))
    failed = candidates(5, ("b", 0.4, 4), ("c", 0, 40), ("d", 0, 5))
    assert made(passed, failed, max_per_prompt=3) == [(0, 7), (0, 6), (0, 5)]


def test_each_completion_appears_once_before_any_appears_twice() -> None:
    passed, failed = candidates(0, ("a", 1, 2), ("b", 1, 2)), candidates(5, ("c", 0, 2), ("d", 0, 2))
    assert made(passed, failed, max_per_prompt=2) == [(0, 5), (1, 6)]
    assert len(set(made(passed, failed, max_per_prompt=9))) == 4


def test_length_ratio_is_respected_and_an_empty_answer_counts_as_one_token() -> None:
    assert made(candidates(0, ("a", 1, 2)), candidates(5, ("b", 0, 5), ("", 0, 0)), max_length_ratio=2) == [(0, 6)]


def test_equal_texts_count_once_and_a_text_that_passed_is_never_rejected() -> None:
    passed = candidates(0, ("a", 1, 2), ("a ", 1, 2))
    failed = candidates(5, ("a", 0, 2), ("b", 0, 2), (" b", 0, 2))
    assert made(passed, failed, max_per_prompt=9) == [(0, 6)]


def test_the_best_meets_the_worst_and_the_second_best_the_second_worst() -> None:
    passed = candidates(0, ("a", 0.8, 2), ("b", 1, 2), ("c", 0.9, 2))
    failed = candidates(5, ("d", 0.3, 2), ("e", 0, 2), ("f", 0.2, 2), ("g", 0.3, 2))
    assert made(passed, failed, choose="best_worst", max_per_prompt=1) == [(1, 6)]
    assert made(passed, failed, choose="best_worst", max_per_prompt=None) == [(1, 6), (2, 7), (0, 5)]
    assert made(passed, failed, choose="best_worst", max_per_prompt=None, min_margin=0.6) == [(1, 6), (2, 7)]


def test_the_most_alike_in_length_go_first_where_asked() -> None:
    passed, failed = candidates(0, ("a", 1, 9)), candidates(5, ("b", 0, 3), ("c", 0.4, 9), ("d", 0, 8))
    assert made(passed, failed, choose="alike", max_per_prompt=2) == [(0, 6), (0, 7)]


def test_without_a_most_every_pair_that_fits_is_made() -> None:
    passed, failed = candidates(0, ("a", 1, 2), ("b", 1, 2)), candidates(5, ("c", 0, 2), ("d", 0, 2), ("e", 0.8, 2))
    assert set(made(passed, failed, max_per_prompt=None)) == {(w, r) for w in (0, 1) for r in (5, 6)}


CHOICES = ("widest", "best_worst", "alike")
_given = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from([0.0, 0.3, 0.7, 1.0]), st.integers(0, 9)), max_size=6
)


@settings(deadline=None)
@given(_given, _given, st.none() | st.integers(1, 4), st.sampled_from([None, 1.5, 3.0]), st.sampled_from(CHOICES))
def test_pairs_keep_every_rule(
    good: list[tuple[str, float, int]],
    bad: list[tuple[str, float, int]],
    most: int | None,
    ratio: float | None,
    choose: Any,
) -> None:
    passed, failed = candidates(0, *good), candidates(100, *bad)
    by_index = {c.completion.index: c for c in [*passed, *failed]}
    config = PairsConfig(max_per_prompt=most, choose=choose, min_margin=0.5, max_length_ratio=ratio)
    pairs = make_pairs(passed, failed, config)
    assert most is None or len(pairs) <= most
    assert len({(p.chosen, p.rejected) for p in pairs}) == len(pairs)
    for pair in pairs:
        w, r = by_index[pair.chosen], by_index[pair.rejected]
        assert pair.chosen < 100 <= pair.rejected
        assert w.score - r.score >= 0.5
        assert w.completion.text != r.completion.text
        lengths = sorted((max(w.completion.n_tokens, 1), max(r.completion.n_tokens, 1)))
        assert ratio is None or lengths[1] <= ratio * lengths[0]
