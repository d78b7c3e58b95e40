"""Whether a question is new, and whether all begin alike. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from typing import Literal

from ratchet.recipe.strategies.questions import NoveltyConfig
from ratchet.verify.text import normalise

Gram = tuple[str, ...]
Likeness = Literal["same", "near"]


def grams(text: str, n: int) -> frozenset[Gram]:
    """The n-grams of a text's normalised words; shorter texts are one gram. No words: none."""
    words = normalise(text).split()
    if not words:
        return frozenset()
    return frozenset(tuple(words[start : start + n]) for start in range(max(1, len(words) - n + 1)))


def overlap(one: frozenset[Gram], other: frozenset[Gram]) -> float:
    """Jaccard: shared n-grams over all; 0 where both have none."""
    both = len(one | other)
    return len(one & other) / both if both else 0.0


def opening(text: str) -> str:
    """The first two words, normalised."""
    return " ".join(normalise(text).split()[:2])


class Known:
    """Questions met so far, each in its scope: those of a scope are compared. Only questions that share an n-gram are."""

    def __init__(self, config: NoveltyConfig) -> None:
        self._config = config
        self._texts: set[tuple[Hashable, str]] = set()
        self._grams: list[frozenset[Gram]] = []
        self._places: defaultdict[tuple[Hashable, Gram], list[int]] = defaultdict(list)

    def add(self, scope: Hashable, text: str) -> None:
        self._texts.add((scope, normalise(text)))
        found = grams(text, self._config.ngram)
        for gram in found:
            self._places[scope, gram].append(len(self._grams))
        self._grams.append(found)

    def likeness(self, scope: Hashable, text: str) -> Likeness | None:
        """same: equal but for case, blanks and punctuation at the end; near: n-grams overlap; None: new."""
        if (scope, normalise(text)) in self._texts:
            return "same"
        found = grams(text, self._config.ngram)
        shared = Counter(place for gram in found for place in self._places.get((scope, gram), ()))
        near = any(
            n >= self._config.overlap * (len(found) + len(self._grams[place]) - n) for place, n in shared.items()
        )
        return "near" if near else None


def repetition(texts: Sequence[str], config: NoveltyConfig) -> list[float]:
    """For each question the share of all of them that it is the same as or near to, itself included (VisPlay's and R-Zero's
    penalty, with n-grams in place of clusters by BLEU)."""
    found = [grams(text, config.ngram) for text in texts]
    return [sum(one == other or overlap(one, other) >= config.overlap for other in found) / len(found) for one in found]


def most_of(share: float, questions: int) -> int:
    """How many of the questions may begin alike; always one."""
    return max(1, int(share * questions))
