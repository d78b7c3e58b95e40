"""Objects put into a list or a sentence that does not name them (POVID, adversarial insertion)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ratchet.generate.negatives.asked import Asked, Edit, Found, with_article

_LONGEST_ITEM = 4
_SHORTEST_SENTENCE = 4
_NEAR = 3
_JOINED = re.compile(r"\s(?:and|or)\s", re.IGNORECASE)
_STOP = re.compile(r"\s*(?:[.!?;]|\Z)")


def guests(asked: Asked) -> list[str]:
    """Objects that the text does not name and that are not known to be there: company of those it names, or any."""
    lexicon, items = asked.lexicon, asked.listed
    forms = lexicon.words["object"]

    def away(guest: str) -> bool:
        named = forms[guest].entry[0] in asked.named if guest in forms else guest in items
        return not named and asked.absent([guest]) and guest not in asked.question.casefold()

    company = [one for name in sorted(asked.named) for one in lexicon.company.get(name, ())]
    return [one for one in dict.fromkeys(company) if away(one)] or [one for one in lexicon.guests if away(one)]


def insertions(asked: Asked, short: bool) -> Iterator[list[Edit]]:
    """Places where another object may be named: between the items of a list, or where a sentence ends with an object.

    `short` allows it after the only object of a short answer too.
    """
    if asked.whole[2] in asked.offered:
        return
    added = guests(asked)
    after = {one.end: one for one in asked.found["object"]}
    ends = [after.get(end) for _, end in asked.items]
    words = [len(asked.text[start:end].split()) for start, end in asked.items[1:]]
    if len(ends) > 1 and all(ends) and max(words) <= _LONGEST_ITEM:
        last = len(ends) - 1 if _JOINED.search(asked.text) else len(ends)
        for (start, _), found in list(zip(asked.items, ends, strict=True))[:last]:
            if found is not None:
                yield _after(asked, found, start, _comma(asked), added)
        return
    if not short and len(asked.text.split()) < _SHORTEST_SENTENCE:
        return
    for found in asked.found["object"]:
        if _STOP.match(asked.text, found.end):
            start = max(start for start, _ in asked.items if start <= found.start)
            yield _after(asked, found, start, " and " if asked.lexicon.articles else asked.lexicon.comma, added)


def _comma(asked: Asked) -> str:
    return " , " if " , " in asked.text else ", " if ", " in asked.text else asked.lexicon.comma


def _after(asked: Asked, found: Found, start: int, separator: str, added: list[str]) -> list[Edit]:
    """Each guest after an object whose item begins at `start`, with a determiner like the object's."""
    before = asked.text[start : found.start].casefold().split()[-_NEAR:]
    phrases = [separator + _like(asked, before, found, guest) for guest in added]
    loud = len(found.written) > 1 and found.written.isupper()
    return [Edit(found.end, found.end, phrase.upper() if loud else phrase) for phrase in phrases]


def _like(asked: Asked, before: list[str], found: Found, guest: str) -> str:
    if "the" in before:
        return f"the {guest}"
    if found.word.plural and guest in asked.lexicon.words["object"] and not any(one.isdigit() for one in before):
        return asked.lexicon.plural(guest)
    if not asked.lexicon.articles or (not before and len(asked.items) > 1):
        return guest
    return with_article(guest)
