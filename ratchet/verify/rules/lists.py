"""Rules on lists: what is common to both, and whether it comes in the right order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache, partial

import orjson

from ratchet.recipe.verifiers.rules import ListConfig
from ratchet.records import Part, Prompt
from ratchet.verify import text as texts
from ratchet.verify.extract import extract, fenced
from ratchet.verify.protocol import Finding, Rule
from ratchet.verify.rules.reading import CUT, MATCH, WRONG, bad_reference, one_value, rule

MAX_PARTS = 32
LONGEST_JSON = 100_000
MOST_ORDERED = 500
"""Items of an ordering's reference: every pair of them is compared."""
_BULLET = re.compile(r"^[ \t]{0,8}(?:[-*•]|[0-9]{1,3}[.)])[ \t]{1,8}(.+)")
_ARROWS = re.compile(r"->|=>|→|⇒|[,;>\n]")

Listed = frozenset[tuple[str, int]]


def set_f1(config: ListConfig) -> Rule:
    """F1 of two sets; only the same set is a match."""
    return rule(config, one_value(_listed(_read_set), _overlap(config, False), config.answer), _one_more, "2")


def objects(config: ListConfig) -> Rule:
    """F1 of two multisets, and for each object how much of its number is right."""
    return rule(config, one_value(_listed(_read_objects), _overlap(config, True), config.answer), _twice, "2")


def ordering(config: ListConfig) -> Rule:
    """Share of the pairs of items that stand in the right order (Kendall's tau, from 0 to 1).

    A pair with an item that is missing is wrong, and so are the pairs of an item that does not belong.
    """
    return rule(config, one_value(_read_order, partial(_ordered, config.passes), config.answer), _turned, "2")


def parse_objects(text: str) -> Counter[str]:
    """The multiset of objects that a caption names, from its marked answer if there is one; empty if unreadable."""
    found = extract(text, lambda part: _listed(_read_objects)("", part))
    return Counter(dict(found.value or ()))


def _listed(read: Callable[[str], Counter[str]]) -> Callable[[str, str], list[Listed]]:
    def listed(_: str, part: str) -> list[Listed]:
        counted = read(part)
        return [frozenset(counted.items())] if counted else []

    return listed


def _overlap(config: ListConfig, with_parts: bool) -> Callable[[Prompt, Listed, Listed], Finding]:
    parts_of = lru_cache(maxsize=1024)(_parts)

    def compare(_: Prompt, given: Listed, wanted: Listed) -> Finding:
        if given == wanted and not with_parts:
            return MATCH
        ours, truth = Counter(dict(given)), Counter(dict(wanted))
        common = (ours & truth).total()
        score = 2 * common / (ours.total() + truth.total())
        equal = ours == truth
        reason = "match" if equal else "partial" if common else "wrong"
        passed = equal or score >= config.passes
        return Finding(score, passed, reason, parts=parts_of(given, wanted) if with_parts else ())

    return compare


def _parts(given: Listed, wanted: Listed) -> tuple[Part, ...]:
    """One part per object, what the reference names first: how much of its number is right."""
    ours, truth = Counter(dict(given)), Counter(dict(wanted))
    names = [*sorted(truth), *sorted(ours.keys() - truth.keys())][:MAX_PARTS]
    return tuple(
        Part(name=n[:CUT].encode("utf-8", "replace").decode(), score=min(ours[n], truth[n]) / max(ours[n], truth[n]))
        for n in names
    )


def _ordered(passes: float, _: Prompt, given: tuple[str, ...], wanted: tuple[str, ...]) -> Finding:
    if len(wanted) > MOST_ORDERED or len(set(wanted)) < len(wanted):
        return bad_reference(f"an ordering has at most {MOST_ORDERED} items, none of them twice")
    if given == wanted:
        return MATCH
    if len(wanted) == 1 or len(set(given)) < len(given):
        return WRONG
    place = {item: index for index, item in enumerate(given)}
    places = [place.get(item, -1) for item in wanted]
    right = sum(0 <= one < other for i, one in enumerate(places) for other in places[i + 1 :])
    every = len({*given, *wanted})
    score = right / (every * (every - 1) / 2)
    return Finding(score, score >= passes, "partial" if score > 0 else "wrong")


def _read_set(answer: str) -> Counter[str]:
    return Counter(dict.fromkeys(_items(answer), 1))


def _read_objects(answer: str) -> Counter[str]:
    return Counter(_items(answer))


def _items(answer: str) -> list[str]:
    """The items of a list with commas, of JSON's, or of Markdown's: one a line, and before them at most a line with a colon."""
    listed = _laid_out(answer)
    return texts.items(answer) if listed is None else listed


def _laid_out(answer: str) -> list[str] | None:
    return _json_items(answer) if "[" in answer else _marked_items(answer) if "\n" in answer else None


def _marked_items(answer: str) -> list[str] | None:
    lines = [line for line in answer.splitlines() if line.strip()]
    marked = [_BULLET.fullmatch(line) for line in lines[1 if lines and lines[0].rstrip().endswith(":") else 0 :]]
    if not marked or not all(marked):
        return None
    return [item for one in marked if one for item in texts.items(one[1])]


def _json_items(answer: str) -> list[str] | None:
    (body, *more) = fenced(answer)
    try:
        found = orjson.loads(body) if not more and len(body) <= LONGEST_JSON else None
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return None
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        return None
    return [item for item in map(texts.normalise, found) if item]


def _read_order(_: str, answer: str) -> list[tuple[str, ...]]:
    listed = _laid_out(answer)
    items = map(texts.normalise, _ARROWS.split(answer)) if listed is None else listed
    found = tuple(item for item in items if item)
    return [found] if found else []


def _one_more(prompt: Prompt) -> str:
    return f"{prompt.reference} , something else"


def _twice(prompt: Prompt) -> str:
    return f"{prompt.reference} , {next(iter(texts.items(prompt.reference or '')), '')}"


def _turned(prompt: Prompt) -> str:
    """The reference backwards; a single item is replaced."""
    read = _read_order("", prompt.reference or "")
    items = read[0] if read else ()
    return " , ".join(reversed(items)) if len(items) > 1 else "something else"
