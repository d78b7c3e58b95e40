"""Pairs of a passed and a failed completion of one prompt. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ratchet.recipe import PairsConfig
from ratchet.records import Completion, Pair
from ratchet.verify.protocol import reaches

MOST_CANDIDATES = 64
"""Of so many completions a side pairs are made; with more, the first of the best and of the worst."""


class Candidate(NamedTuple):
    """A decided completion with its combined score, and the slug of the verdict that decided."""

    completion: Completion
    score: float
    reason: str


Ends = tuple[Candidate, Candidate]


def make_pairs(passed: Sequence[Candidate], failed: Sequence[Candidate], config: PairsConfig) -> tuple[Pair, ...]:
    """Pairs of a passed over a failed completion, by `config.choose`; ties by index.

    widest and alike: no completion appears twice until every one that fits has appeared. Texts that are the same count
    once, and a text that passed is never rejected.
    """
    winners = _distinct(sorted(passed, key=lambda c: (-c.score, c.completion.index)), set())
    losers = _distinct(sorted(failed, key=lambda c: (c.score, c.completion.index)), {_text(c) for c in winners})
    if config.choose == "best_worst":
        met = [(w, r) for w, r in zip(winners, losers, strict=False) if _fits(w, r, config)]
        return tuple(_pair(w, r) for w, r in met[: config.max_per_prompt])
    rank = _alike if config.choose == "alike" else _widest
    possible = sorted(((w, r) for w in winners for r in losers if _fits(w, r, config)), key=lambda both: rank(*both))
    return tuple(_pair(w, r) for w, r in _spread(possible, config.max_per_prompt))


def _spread(possible: Sequence[Ends], most: int | None) -> list[Ends]:
    """At most `most`, in order: first those whose two ends are both new, then the rest."""
    taken: dict[tuple[int, int], Ends] = {}
    used: set[int] = set()
    for fresh_only in (True, False):
        for w, r in possible:
            ends = (w.completion.index, r.completion.index)
            if len(taken) == most:
                break
            if ends not in taken and not (fresh_only and used.intersection(ends)):
                taken[ends] = (w, r)
                used.update(ends)
    return list(taken.values())


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
    return balanced and reaches(w.score - r.score, config.min_margin)


def _widest(w: Candidate, r: Candidate) -> tuple[float, ...]:
    short, long = _lengths(w, r)
    return (r.score - w.score, long / short, w.completion.index, r.completion.index)


def _alike(w: Candidate, r: Candidate) -> tuple[float, ...]:
    short, long = _lengths(w, r)
    return (long / short, r.score - w.score, w.completion.index, r.completion.index)


def _pair(w: Candidate, r: Candidate) -> Pair:
    return Pair(
        chosen=w.completion.index,
        rejected=r.completion.index,
        kind="text",
        margin=round(w.score - r.score, 6),
        reason=f"{w.reason}_over_{r.reason}",
    )
