"""Words whose swap makes a right sentence wrong: objects, attributes and relations in groups of what is confusable."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

Entry = tuple[str, ...]
"""Names of one thing, none a wrong fact for another; the first is what it is called when it takes another's place."""
Group = tuple[Entry, ...]
"""Things that are easily taken for each other, and never true at once."""


class Word(NamedTuple):
    """What a written form means: an entry of a group, in the plural or not."""

    entry: Entry
    group: Group
    plural: bool


@dataclass(frozen=True)
class Lexicon:
    """The words of a domain. Written forms are found without regard to case, the longest first, and only as whole words.

    | field      | what                                                                                          |
    |------------|-----------------------------------------------------------------------------------------------|
    | objects, attributes, relations | groups; objects by their singular                                         |
    | company    | an object's first name -> objects often seen beside it, for insertion (POVID)                 |
    | guests     | what is inserted where no company is left, and what takes the place of `nothing`              |
    | choices    | whole answers, of which another one is wrong                                                  |
    | nothing    | whole answers that deny any object                                                            |
    | idioms     | phrases in which a word of the lexicon states no fact that a swap would make wrong            |
    | adjectival | objects that are attributes instead when another word follows ("orange")                      |
    | irregular  | plurals by the singular; a name that has no singular is its own plural                        |
    | plural_only| names without a singular                                                                      |
    | ordinals   | in order, from the first                                                                      |
    | largest    | no number is raised above it                                                                  |
    | comma      | what separates the items of a list where the text shows none                                  |
    | articles   | whether an inserted object stands with "a" or "an"                                            |
    """

    objects: tuple[Group, ...] = ()
    attributes: tuple[Group, ...] = ()
    relations: tuple[Group, ...] = ()
    company: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    guests: tuple[str, ...] = ()
    choices: tuple[tuple[str, ...], ...] = ()
    nothing: tuple[str, ...] = ()
    idioms: tuple[str, ...] = ()
    adjectival: tuple[str, ...] = ()
    irregular: Mapping[str, str] = field(default_factory=dict)
    plural_only: tuple[str, ...] = ()
    ordinals: tuple[str, ...] = ()
    largest: int | None = None
    comma: str = ", "
    articles: bool = True

    def with_words(
        self,
        *,
        objects: Iterable[str] = (),
        attributes: Iterable[str] = (),
        relations: Iterable[str] = (),
    ) -> Lexicon:
        """This lexicon and the given words: those given together are confusable. They go before what it had."""

        def grown(words: Iterable[str], groups: tuple[Group, ...]) -> tuple[Group, ...]:
            group = tuple((word.casefold(),) for word in dict.fromkeys(words))
            return (group, *groups) if group else groups

        return replace(
            self,
            objects=grown(objects, self.objects),
            attributes=grown(attributes, self.attributes),
            relations=grown(relations, self.relations),
        )

    @cached_property
    def words(self) -> Mapping[str, Mapping[str, Word]]:
        """By kind (object, attribute, relation): every written form and what it means. A form's first group counts."""
        forms: dict[str, Word] = {}
        for group in self.objects:
            for entry in group:
                for name in entry:
                    if name not in self.plural_only:
                        forms.setdefault(name, Word(entry, group, False))
                    forms.setdefault(self.plural(name), Word(entry, group, True))
        return {"object": forms, "attribute": _plain(self.attributes), "relation": _plain(self.relations)}

    @cached_property
    def patterns(self) -> Mapping[str, re.Pattern[str]]:
        """By kind, a pattern of its forms and of the idioms, the longest first."""
        return {kind: either((*forms, *self.idioms)) for kind, forms in self.words.items()}

    def plural(self, name: str) -> str:
        """The plural of an object's name; of its last word, where it has several."""
        head, space, last = name.rpartition(" ")
        if name in self.plural_only:
            return name
        return head + space + self.irregular.get(last, _regular_plural(last))

    def form(self, entry: Entry, plural: bool) -> str | None:
        """The entry's first name in the wanted number; None if it has no singular."""
        if plural:
            return self.plural(entry[0])
        return None if entry[0] in self.plural_only else entry[0]


def either(phrases: Iterable[str]) -> re.Pattern[str]:
    """Any of the phrases as whole words, the longest first, in any case."""
    longest = sorted(set(phrases), key=lambda phrase: (-len(phrase), phrase))
    body = "|".join(re.escape(phrase) for phrase in longest) or r"(?!)"
    return re.compile(rf"(?<![\w-])(?:{body})(?![\w-])", re.IGNORECASE)


def _plain(groups: tuple[Group, ...]) -> dict[str, Word]:
    forms: dict[str, Word] = {}
    for group in groups:
        for entry in group:
            for name in entry:
                forms.setdefault(name, Word(entry, group, False))
    return forms


def _regular_plural(word: str) -> str:
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return f"{word}es"
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}s"
