"""What a description names, in AMBER's words, and how that compares with its annotations.

AMBER takes nouns by a part-of-speech tagger, and lets a word pass that is near to a right one in spaCy's word vectors. ratchet
ships neither: a word of AMBER's vocabulary counts unless it is plainly no noun there ("you can see", "hot"), or is said not to be
there ("no dog"); what is related is what relation.json says and nothing else. So our CHAIR is stricter than the published one:
compare models with it, not with published numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ratchet.verify import text as texts
from ratchet.verify.rules.captions import denied, words_of


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_NEVER = _set("hot")
"""In the vocabulary for "hot dog"; alone it is no thing."""
_LONGEST = 4
_MODAL = "can"
_BEFORE_A_CAN = _set("a an the this that one two three tin trash garbage soda beer water watering paint spray")
_VERBS = _set(
    "watch ring drink support switch sound lock note bear leave tap drain spray file tie sink brush board ship fish light "
    "line skate range track rock lounge sign box"
)
_BEFORE_A_VERB = _set(
    "to i you we they he she it who which that can could will would may might should must people men women children not also"
)


@dataclass(frozen=True, slots=True)
class Truth:
    """AMBER's annotation of one picture: what is there, and what people would wrongly expect there."""

    there: Sequence[str]
    expected: Sequence[str]
    related: Mapping[str, Sequence[str]]

    def places(self, words: Sequence[str]) -> dict[str, int]:
        """Which of the words a noun stands for: the first to which it is related, else the word itself, as AMBER counts."""
        found: dict[str, int] = {}
        for place, word in enumerate(words):
            for other in self.related.get(word, ()):
                found.setdefault(other, place)
        for place, word in enumerate(words):
            found.setdefault(word, place)
        return found


@dataclass(frozen=True, slots=True)
class Compared:
    """One description against its picture's annotation."""

    nouns: Sequence[str]
    hallucinated: Sequence[str]
    covered: int
    expected: int


def compare(nouns: Sequence[str], truth: Truth, safe: Iterable[str]) -> Compared:
    """Which nouns are hallucinated, how many things there are named, and how many that were expected wrongly.

    Words in `safe` are never hallucinated, and cover nothing.
    """
    there, expected, passed = truth.places(truth.there), truth.places(truth.expected), frozenset(safe)
    wrong = [noun for noun in nouns if noun not in passed and noun not in there]
    return Compared(
        nouns,
        wrong,
        len({there[noun] for noun in nouns if noun in there and noun not in passed}),
        len({expected[noun] for noun in wrong if noun in expected}),
    )


def nouns_of(text: str, vocabulary: str) -> list[str]:
    """Entries of a vocabulary (one a line) that a text names, each as often as it is named.

    At each place the longest entry counts alone: a traffic light is no light, and a light no traffic light.
    """
    known = _singulars(vocabulary)
    words = words_of(text)
    found, place = [], 0
    while place < len(words):
        phrase = _phrase_at(known, words, place)
        noun = known[phrase] if phrase else _known_word(known, words[place])
        if noun is not None and (phrase or _is_noun(words, place, noun)) and not denied(words, place):
            found.append(noun)
        place += len(phrase) or 1
    return found


def _known_word(known: Mapping[tuple[str, ...], str], word: str) -> str | None:
    return known.get((texts.singular(word),)) or known.get((word,))


def _phrase_at(known: Mapping[tuple[str, ...], str], words: Sequence[str], place: int) -> tuple[str, ...]:
    """The longest entry of several words that begins at a place; empty where there is none."""
    for length in range(min(_LONGEST, len(words) - place), 1, -1):
        phrase = tuple(texts.singular(word) for word in words[place : place + length])
        if phrase in known:
            return phrase
    return ()


@lru_cache(maxsize=8)
def _singulars(vocabulary: str) -> dict[tuple[str, ...], str]:
    return {tuple(map(texts.singular, entry.split())): entry for entry in reversed(vocabulary.split("\n"))}


def _is_noun(words: Sequence[str], place: int, noun: str) -> bool:
    before = words[place - 1] if place else ""
    if noun in _NEVER or words[place] != noun:
        return noun not in _NEVER
    if noun == _MODAL:
        return before in _BEFORE_A_CAN
    return noun not in _VERBS or before not in _BEFORE_A_VERB
