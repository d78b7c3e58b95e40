"""A right answer as injection reads it: the lexicon's words in it, its list items, and edits that keep its form."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ratchet.generate.negatives.lexicon import Lexicon, Word

# Only from the start of a run of blanks: else a long run takes quadratic time.
_SEPARATOR = re.compile(r"(?<!\s)(?:\s*,\s*(?:and\s+|or\s+)?|\s+(?:and|or)\s+)", re.IGNORECASE)
_ARTICLE = re.compile(r"\ban?\s+\Z", re.IGNORECASE)
_SINGLE = re.compile(r"\b(?:an?|one|1|this|that|the|each|every)\s+(?:\w+\s+)?\Z", re.IGNORECASE)
_OFFERED = re.compile(r"([\w-]+) or (?:an? |the )?([\w-]+)", re.IGNORECASE)


class Edit(NamedTuple):
    """What replaces the characters from `start` to `end`."""

    start: int
    end: int
    after: str


class Found(NamedTuple):
    """A word of the lexicon at its place in the text."""

    start: int
    end: int
    written: str
    word: Word


@dataclass(frozen=True)
class Asked:
    """A right answer with all that decides what may be changed in it."""

    text: str
    question: str
    present: frozenset[str]
    lexicon: Lexicon

    @cached_property
    def found(self) -> dict[str, list[Found]]:
        """By kind, the lexicon's words in the text; idioms hide theirs."""
        words = {}
        for kind, known in self.lexicon.words.items():
            matches = self.lexicon.patterns[kind].finditer(self.text)
            named = [(one, known.get(one[0].casefold())) for one in matches]
            words[kind] = [
                Found(*one.span(), one[0], self._meant(word, one)) for one, word in named if word is not None
            ]
        return words

    @cached_property
    def named(self) -> frozenset[str]:
        """First names of all that the text names."""
        return frozenset(one.word.entry[0] for found in self.found.values() for one in found)

    @cached_property
    def whole(self) -> tuple[int, int, str]:
        """The text without blanks and punctuation around: its place, and itself without case."""
        bare = self.text.strip(" \t\n.,!?\"'")
        start = self.text.index(bare)
        return start, start + len(bare), bare.casefold()

    @cached_property
    def offered(self) -> tuple[str, ...]:
        """The two answers that a question with "or" offers."""
        found = _OFFERED.search(self.question)
        return (found[1].casefold(), found[2].casefold()) if found else ()

    @cached_property
    def items(self) -> list[tuple[int, int]]:
        """The places of what commas, "and" and "or" separate; the last goes without blanks and the stop at its end."""
        return _items(self.text)

    @cached_property
    def listed(self) -> Counter[str]:
        """The items, without case, and how often each stands there."""
        return listed(self.text)

    def absent(self, names: Iterable[str]) -> bool:
        """Whether none of the names is known to be in the picture."""
        return self.present.isdisjoint(form for name in names for form in (name, self.lexicon.plural(name)))

    def changes(self, edit: Edit) -> bool:
        """Whether the edit states another fact: no item of a list as another has it, nor what the question itself names."""
        text = self.text[: edit.start] + edit.after + self.text[edit.end :]
        if " " in (bare := text.strip()) and bare.casefold() in self.question.casefold():
            return False
        after = listed(text)
        return all(after[item] == 1 for item in after - self.listed)

    def _meant(self, word: Word, found: re.Match[str]) -> Word:
        """The word with its number: "sheep" are many unless what stands before says one."""
        form = found[0].casefold()
        if word.plural or self.lexicon.irregular.get(form) != form:
            return word
        return word._replace(plural=_SINGLE.search(self.text, 0, found.start()) is None)


def listed(text: str) -> Counter[str]:
    """The items of a text, without case, and how often each stands there."""
    return Counter(" ".join(text[start:end].casefold().split()) for start, end in _items(text))


def _items(text: str) -> list[tuple[int, int]]:
    last = len(text.rstrip(" \t\r\n.!?;"))
    marks = [found.span() for found in _SEPARATOR.finditer(text, 0, last)]
    return list(zip([0, *(end for _, end in marks)], [*(start for start, _ in marks), last], strict=True))


def swapped(text: str, found: Found, form: str) -> Edit:
    """The new form in the old one's case, with the article before it if that has to change."""
    after = cased(found.written, form)
    article = _ARTICLE.search(text, 0, found.start)
    if article is None:
        return Edit(found.start, found.end, after)
    written = article[0].rstrip()
    wanted = cased(written[:1], with_article(form).split()[0])
    if wanted.casefold() == written.casefold():
        return Edit(found.start, found.end, after)
    return Edit(article.start(), found.end, wanted + article[0][len(written) :] + after)


def with_article(form: str) -> str:
    """The form after "a" or "an", by its first letter."""
    return f"{'an' if form[:1].casefold() in {'a', 'e', 'i', 'o', 'u'} else 'a'} {form}"


def cased(like: str, form: str) -> str:
    """`form` in the case of `like`: as it is, with a capital, or all capitals."""
    if len(like) > 1 and like.isupper():
        return form.upper()
    return form[:1].upper() + form[1:] if like[:1].isupper() else form
