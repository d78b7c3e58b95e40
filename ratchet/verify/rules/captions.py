"""The rule on captions: which objects a free text names, and which of them are there (CHAIR)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache, partial

from ratchet.recipe.verifiers.rules import CaptionConfig
from ratchet.records import Part, Prompt
from ratchet.verify import text as texts
from ratchet.verify.extract import extract
from ratchet.verify.protocol import Finding, Rule
from ratchet.verify.rules.lists import MAX_PARTS
from ratchet.verify.rules.reading import REMEMBERED, bad_reference, normalised, rule
from ratchet.verify.rules.synonyms import COCO

NOTHING_NAMED = "nothing_named"
# Punctuation is a word of its own, so that no name goes across it.
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|[.,;:!?()]")
_NOT = frozenset({"no", "without", "not", "neither", "nor"})
_BETWEEN = frozenset({"a", "an", "any", "the", "single"})
_LONGEST_NAME = 4


class Lexicon:
    """Names and synonyms of objects, found in text by the longest name first. Singular and plural are one."""

    def __init__(self, table: Mapping[str, tuple[str, ...]]) -> None:
        self._object: dict[tuple[str, ...], str] = {}
        for name, synonyms in table.items():
            for one in (*synonyms, name):
                self._object[_singular(words_of(one))] = name
        self._first = frozenset(words[0] for words in self._object if words)
        self._longest = min(_LONGEST_NAME, max(map(len, self._object), default=1))

    def named(self, text: str) -> frozenset[str]:
        """Objects that the text says are there. "no dog" and "without a dog" name none."""
        return frozenset(self.mentions(text))

    def mentions(self, text: str) -> list[str]:
        """Those objects in the order of the text, each as often as it is named."""
        words = words_of(text)
        single = tuple(map(texts.singular, words))
        found: list[str] = []
        place = 0
        while place < len(words):
            size, name = self._at(single, place)
            if name is not None and not denied(words, place):
                found.append(name)
            place += size
        return found

    def _at(self, words: tuple[str, ...], place: int) -> tuple[int, str | None]:
        if words[place] in self._first:
            for size in range(self._longest, 0, -1):
                name = self._object.get(words[place : place + size])
                if name is not None:
                    return size, name
        return 1, None


def caption(config: CaptionConfig) -> Rule:
    """Precision, recall or F1 of the objects that a caption names, and for each object whether it is there."""
    table = COCO if config.table == "coco" else {}
    lexicon = Lexicon({**table, **config.synonyms}) if config.synonyms else coco_lexicon()

    @lru_cache(maxsize=REMEMBERED)
    def truth_of(reference: str) -> frozenset[str]:
        return lexicon.named(reference)

    def check(prompt: Prompt, answer: str) -> Finding:
        truth = truth_of(prompt.reference or "")
        if not truth:
            return bad_reference("the reference names no object of the table")
        said = extract(answer, partial(normalised, ""), config.answer)
        if said.value is None:
            return Finding(0.0, False, said.reason or "")
        return _compared(lexicon.named(said.value), truth, config)

    def corrupt(prompt: Prompt) -> str:
        others = sorted({*table, *config.synonyms} - truth_of(prompt.reference or ""))
        return f"there is a {others[0]} ." if others else "nothing"

    return rule(config, check, corrupt)


@lru_cache(maxsize=1)
def coco_lexicon() -> Lexicon:
    """The lexicon of the COCO table."""
    return Lexicon(COCO)


def caption_objects(text: str) -> Counter[str]:
    """Objects of the COCO table that a caption names, each once, from its marked answer if there is one."""
    said = extract(text, partial(normalised, "")).value
    return Counter(coco_lexicon().named(said)) if said is not None else Counter()


def _compared(named: frozenset[str], truth: frozenset[str], config: CaptionConfig) -> Finding:
    if not named:
        return Finding(0.0, False, NOTHING_NAMED)
    right = len(named & truth)
    precision, recall = right / len(named), right / len(truth)
    f1 = 2 * right / (len(named) + len(truth))
    score = {"precision": precision, "recall": recall, "f1": f1}[config.score]
    reason = "match" if score >= 1 else "partial" if score > 0 else "wrong"
    detail = f"precision {precision:.3f}, recall {recall:.3f}"
    parts = [Part(name=n, score=float(n in named)) for n in sorted(truth)]
    parts += [Part(name=n, score=0.0) for n in sorted(named - truth)]
    return Finding(score, score >= config.passes, reason, detail, tuple(parts[:MAX_PARTS]))


def words_of(text: str) -> tuple[str, ...]:
    """Words of a text in normal form; punctuation is a word of its own."""
    return tuple(_WORD.findall(texts.normalise(text)))


def denied(words: tuple[str, ...], place: int) -> bool:
    """Whether what is named at that place is said not to be there."""
    before = place - 1
    while before >= 0 and words[before] in _BETWEEN and place - before <= 2:
        before -= 1
    return before >= 0 and words[before] in _NOT


def _singular(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(texts.singular, words))
