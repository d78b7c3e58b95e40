"""Rules on text that was read off a picture: how near it comes to what is written there."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from ratchet.recipe.verifiers.rules import ReadingConfig
from ratchet.records import Prompt
from ratchet.verify import text as texts
from ratchet.verify.protocol import Finding, Rule
from ratchet.verify.rules.reading import TOO_LONG, bad_reference, normalised, one_value, rule, scored

LONGEST = 20_000
"""Characters that are compared: time grows with the product of two lengths."""
ANLS_FLOOR = 0.5
"""A similarity below it scores 0 (Biten et al. 2019, arXiv 1905.13648)."""


def anls(config: ReadingConfig) -> Rule:
    """1 - normalised Levenshtein distance to the nearest right reference; 0 where that is under a half."""
    return _near(config, ANLS_FLOOR)


def edits(config: ReadingConfig) -> Rule:
    """1 - Levenshtein distance over the longer length, without a floor."""
    return _near(config, 0.0)


def _near(config: ReadingConfig, floor: float) -> Rule:
    compare = partial(_similar, config.passes, config.alternatives, floor)
    return rule(config, one_value(normalised, compare, config.answer), partial(_corrupted, config.alternatives))


def _similar(passes: float, alternatives: str | None, floor: float, _: Prompt, given: str, wanted: str) -> Finding:
    rights = [one for one in _split(wanted, alternatives) if one]
    if len(wanted) > LONGEST or not rights:
        return bad_reference(f"a reference has 1 to {LONGEST} characters, this one {len(wanted)}")
    if len(given) > LONGEST:
        return Finding(0.0, False, TOO_LONG)
    return scored(nearest(given, rights, floor), passes)


def nearest(given: str, rights: Iterable[str], floor: float) -> float:
    """Similarity to the nearest of some texts, 0 below the floor: 1 - Levenshtein distance over the longer length."""
    from rapidfuzz.distance import Levenshtein  # 20 ms, for these rules alone

    near: float = max(Levenshtein.normalized_similarity(given, one) for one in rights)
    return near if near >= floor else 0.0


def _split(wanted: str, alternatives: str | None) -> list[str]:
    if alternatives is None:
        return [wanted]
    return [texts.normalise(one) for one in wanted.split(alternatives.casefold())]


def _corrupted(alternatives: str | None, prompt: Prompt) -> str:
    """The first right reference, backwards and twice as long: far from any."""
    first = _split(texts.normalise(prompt.reference or ""), alternatives)[0]
    return f"~{'~'.join(reversed(first))}~"
