"""Numbers in a text, and the ones near them: digits, English words to twenty, and ordinals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from ratchet.generate.negatives.lexicon import Lexicon, either
from ratchet.verify.text import NUMBER_WORDS

STEPS = (-2, -1, 1, 2)
# A number stands alone: not in "3-4", "10:30", "x3" or "3/4".
_DIGITS = re.compile(r"(?<![\w.,:/+\-−])(?:\d{1,3}(?:,\d{3})+|\d{1,15})(?:\.\d+)?(?![\w:/\-−]|[.,]\d)")
_WORDS = {word: int(value) for word, value in NUMBER_WORDS.items()}
_NAMES = {value: word for word, value in _WORDS.items()}


class Number(NamedTuple):
    """A number's place in a text, what may stand there instead, and whether one or many of a thing follow it."""

    start: int
    end: int
    near: tuple[str, ...]
    counts: bool


def numbers(text: str, lexicon: Lexicon) -> Iterator[Number]:
    """Every number of the text, with those at most 2 away from it: never itself, none below 0."""
    for found in _DIGITS.finditer(text):
        yield Number(*found.span(), _near_digits(found[0], lexicon.largest), True)
    for found in _named(lexicon.ordinals, lexicon.idioms).finditer(text):
        form = found[0].casefold()
        if form in _WORDS:
            yield Number(*found.span(), _near_word(_WORDS[form], lexicon.largest), True)
        elif form in lexicon.ordinals:
            place = lexicon.ordinals.index(form)
            places = [place + step for step in STEPS if 0 <= place + step < len(lexicon.ordinals)]
            yield Number(*found.span(), tuple(lexicon.ordinals[one] for one in places), False)


@lru_cache(maxsize=8)
def _named(ordinals: tuple[str, ...], idioms: tuple[str, ...]) -> re.Pattern[str]:
    return either((*_WORDS, *ordinals, *idioms))


def is_one(number: str) -> bool:
    """Whether a thing after this number is in the singular."""
    return number.casefold() in {"1", "one"}


def _near_digits(number: str, largest: int | None) -> tuple[str, ...]:
    """The number with its whole part moved, written the same way: with its thousands and its decimals."""
    whole, point, decimals = number.partition(".")
    value = int(whole.replace(",", ""))
    written = "{:,}" if "," in whole else "{}"
    values = [value + step for step in STEPS if 0 <= value + step <= (value + 2 if largest is None else largest)]
    return tuple(written.format(one) + point + decimals for one in values)


def _near_word(value: int, largest: int | None) -> tuple[str, ...]:
    """The words for what is near; "zero dogs" is not what anybody says."""
    values = [value + step for step in STEPS if value + step > 0 and value + step in _NAMES]
    return tuple(_NAMES[one] for one in values if largest is None or one <= largest)
