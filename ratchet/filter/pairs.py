"""Pairs of a passed and a failed completion of one prompt. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ratchet.recipe import PairsConfig
from ratchet.records import Completion, Pair

MOST_CANDIDATES = 64
"""Of so many completions a side pairs are made; with more, the first of the best and of the worst."""


class Candidate(NamedTuple):
    """A decided completion with its combined score, and the slug of the verdict that decided."""

    completion: Completion
    score: float
    reason: str


def make_pairs(passed: Sequence[Candidate], failed: Sequence[Candidate], config: PairsConfig) -> tuple[Pair, ...]:
    """The best pairs: widest margin first, then most alike in length, then by index.

    No completion appears twice until every one that fits has appeared. Texts that are the same count once, and a text
    that passed is never rejected.
    """
    winners = _distinct(sorted(passed, key=lambda c: (-c.score, c.completion.index)), set())
    losers = _distinct(sorted(failed, key=lambda c: (c.score, c.completion.index)), {_text(c) for c in winners})
    possible = [(w, r) for w in winners for r in losers if _fits(w, r, config)]
    possible.sort(key=lambda both: _rank(*both))
    taken: dict[tuple[int, int], Pair] = {}
    used: set[int] = set()
    for fresh_only in (True, False):
        for w, r in possible:
            ends = (w.completion.index, r.completion.index)
            if len(taken) == config.max_per_prompt:
                break
            if ends not in taken and not (fresh_only and used.intersection(ends)):
                taken[ends] = _pair(w, r)
                used.update(ends)
    return tuple(taken.values())


def image_pairs(
    passed: Sequence[Candidate], all_completions: Sequence[Completion], config: PairsConfig
) -> tuple[Pair, ...]:
    """Pairs of inputs: a passed answer with its picture over the same answer with a corrupted one, by index."""
    scores = {one.completion.index: one.score for one in passed}
    found = [
        Pair(
            chosen=c.parent, rejected=c.index, kind="image", margin=scores[c.parent], reason=f"input_{c.negative.kind}"
        )
        for c in all_completions
        if c.negative is not None and c.negative.use == "input" and c.parent is not None and c.parent in scores
    ]
    return tuple(found[: config.max_per_prompt])


def _distinct(ranked: Sequence[Candidate], taken: set[str]) -> list[Candidate]:
    first: dict[str, Candidate] = {}
    for candidate in ranked:
        text = _text(candidate)
        if text not in taken:
            first.setdefault(text, candidate)
    return list(first.values())[:MOST_CANDIDATES]


def _text(candidate: Candidate) -> str:
    return " ".join(candidate.completion.text.split())


def _lengths(w: Candidate, r: Candidate) -> tuple[int, int]:
    """Shorter and longer, in tokens; an empty answer counts as one."""
    one, other = max(w.completion.n_tokens, 1), max(r.completion.n_tokens, 1)
    return min(one, other), max(one, other)


def _fits(w: Candidate, r: Candidate, config: PairsConfig) -> bool:
    short, long = _lengths(w, r)
    balanced = config.max_length_ratio is None or long <= config.max_length_ratio * short
    return balanced and w.score - r.score >= config.min_margin - 1e-9


def _rank(w: Candidate, r: Candidate) -> tuple[float, float, int, int]:
    short, long = _lengths(w, r)
    return (r.score - w.score, long / short, w.completion.index, r.completion.index)


def _pair(w: Candidate, r: Candidate) -> Pair:
    return Pair(
        chosen=w.completion.index,
        rejected=r.completion.index,
        kind="text",
        margin=round(w.score - r.score, 6),
        reason=f"{w.reason}_over_{r.reason}",
    )
