"""One wrong fact in a right answer: another object, attribute, relation or count, or an object that is not there.

    inject("a dog on a couch", "object", seed=3)    # "a dog on a bed"; its record is {"from": "couch", "to": "bed", "at": 4}

After POVID (Zhou et al. 2024: wrong attributes, relations and objects, and co-occurring ones inserted), HA-DPO (Zhao et al.
2023) and ViCrit (Wang et al. 2025: one recorded change). They ask a large model for the edit; this asks a lexicon, so
that the place of the change is known and all else stays as it was, byte by byte.

What a lexicon cannot know: an inserted object may be in the picture, though the answer does not name it. Give `present`
what is known to be there. Verbs are left alone: "there is one dog" becomes "there is two dogs".
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from ratchet.errors import SamplingError
from ratchet.generate.negatives.asked import Asked, Edit, cased, swapped, with_article
from ratchet.generate.negatives.english import ENGLISH
from ratchet.generate.negatives.insertion import guests, insertions
from ratchet.generate.negatives.lexicon import Lexicon, Word
from ratchet.generate.negatives.numbers import is_one, numbers

MODES = ("replace", "insert")
_SAID = re.compile(r"\W*(yes|no)\b(?=\s*(?:[.,!;:]|\Z))", re.IGNORECASE)
_THERE = re.compile(r"yes(?P<gap>,?\s+)there (?P<be>is|are) (?:an?|some|any)\b", re.IGNORECASE)
_NOT_THERE = re.compile(
    r"no(?P<gap>,?\s+)there (?:(?P<many>are no|aren't any)|is no|isn't an?)\b(?=\s+(?P<next>\w))", re.IGNORECASE
)
_NEXT_WORD = re.compile(r"[ \t]+([^\W\d_]+)")
_FUNCTION_WORD = re.compile(
    "and|or|but|is|are|was|were|be|on|in|at|by|of|to|with|near|next|from|under|over|behind|beside|that|which|who|while|as|for"
    "|than|not|there|it|this|has|have"
)


@dataclass(frozen=True, slots=True)
class Injection:
    """A text with one wrong fact. `before` stood at character `start` of the original, and `after` stands there now."""

    text: str
    kind: str
    start: int
    before: str
    after: str
    at: int

    @property
    def record(self) -> dict[str, str | int]:
        """What was changed: "from" (empty: inserted), "to", and "at", counted from 0 in words between blanks.

        An insertion is "at" the word that it follows.
        """
        return {"from": self.before, "to": self.after, "at": self.at}


def inject(
    text: str,
    kind: str,
    seed: int,
    lexicon: Lexicon = ENGLISH,
    *,
    question: str = "",
    present: Collection[str] = (),
    mode: str | None = None,
) -> Injection | None:
    """The answer `text` with one wrong fact of `kind`, or None where it states nothing of that kind that can be changed.

    `kind` is a key of KINDS. `question` helps with answers that it offers ("more circles or squares ?"). `mode` is for
    objects: replace one, insert one, or (None) either, as far as the text allows: an insertion needs a list or a sentence
    unless it is asked for. Article, plural and case follow the new word. Depends on the arguments only.
    Raises SamplingError for another kind or mode.
    """
    if kind not in KINDS:
        raise SamplingError(f"kind of wrong fact {kind!r} is unknown: use one of {', '.join(KINDS)}.")
    if mode is not None and mode not in MODES:
        raise SamplingError(f"mode {mode!r} of a wrong object is unknown: use {' or '.join(MODES)}, or leave it out.")
    asked = Asked(text, question, frozenset(name.casefold() for name in present), lexicon)
    rng = random.Random(seed)
    ways = [] if kind == "object" and mode == "insert" else [KINDS[kind](asked)]
    if kind == "object" and mode != "replace" and _flipped(text) is None:
        ways.append(insertions(asked, mode == "insert"))
    edits = (_drawn(asked, list(way), rng) for way in rng.sample(ways, len(ways)))
    edit = next((one for one in edits if one is not None), None)
    if edit is None:
        return None
    start, end, after = edit
    at = sum(word.end() < start for word in re.finditer(r"\S+", text))
    return Injection(text[:start] + after + text[end:], kind, start, text[start:end], after, at)


def _drawn(asked: Asked, places: list[list[Edit]], rng: random.Random) -> Edit | None:
    """One of the edits that state another fact: every place is as likely, then every edit there."""
    for place in rng.sample(places, len(places)):
        for edit in rng.sample(place, len(place)):
            if asked.changes(edit):
                return edit
    return None


def _objects(asked: Asked) -> Iterator[list[Edit]]:
    start, end, whole = asked.whole
    if (said := _flipped(asked.text)) is not None:
        yield [said]
    elif whole in asked.lexicon.nothing:
        named = [with_article(one) if asked.lexicon.articles else one for one in guests(asked)]
        yield [Edit(start, end, cased(asked.text[start], one)) for one in named]
    else:
        yield from _exchanged(asked)


def _exchanged(asked: Asked) -> Iterator[list[Edit]]:
    starts = {one.start for one in asked.found["object"]}
    for one in asked.found["object"]:
        following = _NEXT_WORD.match(asked.text, one.end)
        if following and following.start(1) in starts:
            continue  # a "dog bed" is a bed
        if (
            following
            and one.written.casefold() in asked.lexicon.adjectival
            and not _FUNCTION_WORD.fullmatch(following[1])
        ):
            continue
        yield [swapped(asked.text, one, form) for form in _others(asked, one.word)]


def _attributes(asked: Asked) -> Iterator[list[Edit]]:
    for one in asked.found["attribute"]:
        yield [swapped(asked.text, one, form) for form in _others(asked, one.word)]


def _relations(asked: Asked) -> Iterator[list[Edit]]:
    start, end, whole = asked.whole
    for choices in asked.lexicon.choices:
        if whole in choices:
            others = [one for one in asked.offered or choices if one != whole]
            yield [Edit(start, end, cased(asked.text[start:end], one)) for one in others]
            return
    for one in asked.found["relation"]:
        yield [swapped(asked.text, one, form) for form in _others(asked, one.word)]


def _counts(asked: Asked) -> Iterator[list[Edit]]:
    for start, end, near, counts in numbers(asked.text, asked.lexicon):
        forms = [cased(asked.text[start:end], one) for one in near]
        if counts and _NEXT_WORD.match(asked.text, end):
            # What follows stays true to the number: verbs do not change with it.
            one = is_one(asked.text[start:end])
            forms = [form for form in forms if is_one(form) == one] or forms
        yield [_agreeing(asked, start, end, one) if counts else Edit(start, end, one) for one in forms]


KINDS: Mapping[str, Callable[[Asked], Iterator[list[Edit]]]] = {
    "object": _objects,
    "attribute": _attributes,
    "relation": _relations,
    "count": _counts,
}
"""Each gives the places of a text where a fact of its kind stands, and for each place what may stand there instead."""


def _flipped(text: str) -> Edit | None:
    """Yes for no at the start of an answer or no for yes, with the "there is a" or "there is no" after it."""
    if (found := _THERE.match(text)) is not None:
        return Edit(0, found.end(), cased(text[0], f"no{found['gap']}there {found['be']} no"))
    if (found := _NOT_THERE.match(text)) is not None:
        some = "are some" if found["many"] else "is an" if found["next"].casefold() in "aeiou" else "is a"
        return Edit(0, found.end(), cased(text[0], f"yes{found['gap']}there {some}"))
    if (found := _SAID.match(text)) is not None:
        return Edit(*found.span(1), cased(found[1], "no" if found[1].casefold() == "yes" else "yes"))
    return None


def _others(asked: Asked, word: Word) -> list[str]:
    """Forms of the group's other entries: those that the question offers, or that the text does not name yet, or all."""
    absent = [entry for entry in word.group if entry is not word.entry and asked.absent(entry)]
    forms = {form: entry[0] for entry in absent if (form := asked.lexicon.form(entry, word.plural)) is not None}
    if asked.whole[2] in asked.offered and (offered := [form for form in forms if form in asked.offered]):
        return offered
    return [form for form, name in forms.items() if name not in asked.named] or list(forms)


def _agreeing(asked: Asked, start: int, end: int, near: str) -> Edit:
    """A number's edit; up to a known object within two words where one becomes many or the other way round."""
    if is_one(asked.text[start:end]) != is_one(near):
        for one in asked.found["object"]:
            between = asked.text[end : one.start]
            form = asked.lexicon.form(one.word.entry, not is_one(near))
            if re.fullmatch(r"\s+(?:[^\W\d_]+\s+)?", between) and one.start > end and form is not None:
                return Edit(start, one.end, near + between + cased(one.written, form))
    return Edit(start, end, near)
