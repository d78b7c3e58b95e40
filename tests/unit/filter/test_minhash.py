"""The near-duplicate finder against brute force: everything it calls a duplicate is one, and it misses hardly any."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.filter.minhash import TextIndex, rows_per_band
from ratchet.filter.shingles import MOST_SHINGLES, jaccard, shingle_sets

WORDS = [f"{a}{b}" for a in ("red", "blue", "left", "round", "small", "how") for b in ("circle", "square", "dog", "er")]


@cache
def cut(text: str, n: int) -> frozenset[str]:
    return frozenset(text[i : i + n] for i in range(max(len(text) - n + 1, 1)))


def exact(one: str, other: str, n: int) -> float:
    return len(cut(one, n) & cut(other, n)) / len(cut(one, n) | cut(other, n))


def found(texts: Sequence[str], similarity: float, scopes: Sequence[int] | None = None, n: int = 5) -> list[bool]:
    index = TextIndex(similarity)
    index.add(shingle_sets(texts, n), scopes or [0] * len(texts))
    return index.duplicates().tolist()


def brute(texts: Sequence[str], similarity: float, n: int = 5) -> list[bool]:
    kept: list[str] = []
    dropped = []
    for text in texts:
        dropped.append(any(exact(text, other, n) >= similarity for other in kept))
        if not dropped[-1]:
            kept.append(text)
    return dropped


def edited(text: str, chance: random.Random) -> str:
    words = text.split()
    for _ in range(chance.randint(0, 3)):
        words[chance.randrange(len(words))] = chance.choice(WORDS)
    return " ".join(words)


@pytest.mark.parametrize("similarity", [0.5, 0.7, 0.8, 0.9])
def test_it_finds_what_brute_force_finds(similarity: float) -> None:
    chance = random.Random(1)
    bases = [" ".join(chance.choices(WORDS, k=chance.randint(4, 12))) for _ in range(100)]
    texts = [edited(chance.choice(bases), chance) for _ in range(400)]
    truth, said = np.array(brute(texts, similarity)), np.array(found(texts, similarity))
    # Both keep the first of what is alike, so a single miss may turn others; 99 of 100 pairs at the threshold are met.
    assert truth.sum() > 50
    assert (said & truth).sum() / truth.sum() >= 0.98
    assert (said & truth).sum() / said.sum() >= 0.98


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text("abc ", max_size=12), max_size=14), st.sampled_from([0.4, 0.6, 0.8]), st.integers(1, 4))
def test_no_pair_that_is_less_similar_is_called_a_duplicate(texts: list[str], similarity: float, n: int) -> None:
    said = found(texts, similarity, n=n)
    for number, duplicate in enumerate(said):
        if duplicate:
            assert any(exact(texts[number], texts[k], n) >= similarity for k in range(number) if not said[k])


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text(max_size=10), max_size=14), st.integers(1, 6))
def test_the_same_text_is_kept_once(texts: list[str], n: int) -> None:
    first = {text: number for number, text in reversed(list(enumerate(texts)))}
    for number, duplicate in enumerate(found(texts, 0.9, n=n)):
        assert duplicate or first[texts[number]] == number


def test_texts_of_different_scope_are_never_compared() -> None:
    assert found(["how many red circles"] * 4, 0.8, [1, 2, 1, 2]) == [False, False, True, True]


@settings(deadline=None, max_examples=30)
@given(st.text("abcd", max_size=30), st.text("abcd", max_size=30), st.integers(1, 4))
def test_jaccard_of_short_texts_is_exact(one: str, other: str, n: int) -> None:
    a, b = shingle_sets([one, other], n)
    assert jaccard(a, b) == pytest.approx(exact(one, other, n))


def test_jaccard_of_long_texts_is_estimated_from_the_lowest_hashes() -> None:
    chance = random.Random(3)
    for share in (0.2, 0.5, 0.9):
        body = "".join(chance.choices("abcdefghijklmnop", k=4000))
        other = body[: int(4000 * share)] + "".join(chance.choices("abcdefghijklmnop", k=4000 - int(4000 * share)))
        a, b = shingle_sets([body, other], 5)
        assert a.size == b.size == MOST_SHINGLES
        assert jaccard(a, b) == pytest.approx(exact(body, other, 5), abs=0.13)  # three standard errors of 128 draws


def test_bands_are_as_wide_as_the_wanted_recall_allows() -> None:
    assert [rows_per_band(s) for s in (0.3, 0.5, 0.7, 0.8, 0.9)] == [1, 2, 3, 5, 7]

    def met(similarity: float, rows: int) -> float:
        return 1 - (1 - similarity**rows) ** (64 // rows)

    for similarity in (0.3, 0.5, 0.7, 0.8, 0.9, 0.95):
        rows = rows_per_band(similarity)
        assert met(similarity, rows) >= 0.99 > met(similarity, rows + 1)


def test_no_texts_are_no_duplicates() -> None:
    assert found([], 0.8) == []
    assert found([""], 0.8) == [False]
    assert found(["", ""], 0.8) == [False, True]
