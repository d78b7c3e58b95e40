"""Text as VQA's official evaluation reads it, and its accuracy against the answers of ten people (Antol et al. 2015, arXiv 1505.00468).

`words.text` reads single answers in the same spirit, and takes more for the same. This one follows the published rules to the
letter, for the benchmarks that are scored by them: commas and question marks go, punctuation at a blank is dropped and other
punctuation becomes a blank, articles go, numbers up to ten become digits, and contractions get their apostrophe.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from ratchet.verify.text import NUMBER_WORDS

PEOPLE_FOR_FULL = 3
"""An answer that so many other people gave has the full score."""
_MARKS = ';/[]"{}()=+\\_-><@`!'
_PERIOD = re.compile(r"\.(?!\d)")
_ARTICLES = frozenset({"a", "an", "the"})
_DIGITS = {"none": "0"} | {word: str(value) for word, value in NUMBER_WORDS.items() if value <= 10}
# "hell", "well", "id", "ill", "im" and "wed" are words of their own, and the published table leaves them alone.
_ENDINGS = {
    "n't": "ai are ca could did does do had has have is might must need ought sha should was were wo would",
    "'ve": "could might must not should they we what where who would you",
    "'d": "he how it someone something there they where who you",
    "'ll": "how it somebody someone something they what who why you",
    "'re": "there they what why you",
    "'s": "he how somebody someone that there what when where who why",
    "'clock": "o",
}
_CONTRACTIONS = {
    (stem + ending).replace("'", ""): stem + ending for ending, stems in _ENDINGS.items() for stem in stems.split()
} | {"maam": "ma'am", "twas": "'twas", "yall": "y'all"}


@lru_cache(maxsize=65_536)
def plain_answer(text: str) -> str:
    """A text in the form in which VQA compares answers."""
    lowered = text.lower().replace(",", "").replace("?", "").replace("'s", " 's")
    words = _without_marks(" ".join(lowered.split())).split()
    digits = (_DIGITS.get(word, word) for word in words)
    return " ".join(_CONTRACTIONS.get(word, word) for word in digits if word not in _ARTICLES)


def _without_marks(text: str) -> str:
    plain = text
    for mark in _MARKS:
        if mark in plain:
            plain = plain.replace(mark, "" if f"{mark} " in text or f" {mark}" in text else " ")
    return _PERIOD.sub("", plain)


def vqa_accuracy(answer: str, people: Sequence[str]) -> float:
    """The mean, over the people, of how many of the others gave this answer, of three at most."""
    wanted = plain_answer(answer)
    same = sum(plain_answer(one) == wanted for one in people)
    return min(1.0, same * (len(people) - 1) / (PEOPLE_FOR_FULL * len(people)))
