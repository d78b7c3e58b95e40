r"""What a completion gives as its answer: a marked part (`<answer>..</answer>`, `\boxed{}`) or else the whole text.

What comes before `</think>` is never an answer. A mark that is opened and not closed leaves nothing to read. A recipe may
ask for another reading (`Where`); only "first" and "last" choose among several answers, because the recipe says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

from ratchet.recipe.verifiers.base import Where
from ratchet.verify.text import normalise

T = TypeVar("T", bound=Hashable)

AMBIGUOUS = "ambiguous"
UNPARSED = "unparsed"
_THINK = re.compile(r"<think>", re.IGNORECASE)
_THOUGHT = re.compile(r"</think>", re.IGNORECASE)
_OPEN = re.compile(r"<answer>", re.IGNORECASE)
_CLOSE = re.compile(r"</answer>", re.IGNORECASE)
_BOXED = "\\boxed{"
_BRACE = re.compile(r"[{}]")
_FENCE = re.compile(r"^[ \t]*```[^\n`]*(?:\n|$)", re.MULTILINE)
_UNMARKED = frozenset({"auto", "whole", "first", "last"})
_SHORT = 64


class Extracted(NamedTuple, Generic[T]):
    """One value, or the reason why there is none ("ambiguous" or "unparsed") with all that was read."""

    value: T | None
    reason: str | None
    readings: tuple[T, ...] = ()


def extract(text: str, read: Callable[[str], Iterable[T]], where: Where = "auto") -> Extracted[T]:
    """Read every answer of the text. One distinct reading is the value; none is unparsed, several are ambiguous.

    `where` first or last: the first or last of several readings is the value.
    """
    every = [one for answer in answers(text, where) for one in read(answer)]
    readings = tuple(dict.fromkeys(every))
    if len(readings) == 1:
        return Extracted(readings[0], None, readings)
    if every and where in ("first", "last"):
        return Extracted(every[0 if where == "first" else -1], None, readings)
    return Extracted(None, AMBIGUOUS if readings else UNPARSED, readings)


def reading(text: str) -> str | None:
    """What an answer says, in normal form, from its marked part if there is one; None where it says nothing or several."""
    return _known(text) if len(text) <= _SHORT else _read(text)


def _read(text: str) -> str | None:
    return extract(text, lambda part: [plain] if (plain := normalise(part)) else []).value


# Short answers are few and come again and again.
_known = lru_cache(maxsize=4096)(_read)


def answers(text: str, where: Where = "auto") -> list[str]:
    """The marked answers, or the whole text if nothing is marked. Empty where a mark is not closed.

    `where` boxed or tagged: only answers with that mark. whole: all that follows the thinking, marks and all. first, last:
    in the order of the text, so that a box before a tag is read before it.
    """
    if "<" not in text and "\\" not in text:
        return [text] if where in _UNMARKED else []
    said = after_thinking(text)
    if said is None:
        return []
    if where == "whole":
        return [said]
    tagged, rest, around = _tagged(said)
    if tagged is None:
        return []
    if where == "tagged":
        return tagged
    boxes = boxed(said if where == "boxed" else rest)
    if boxes is None or where == "boxed":
        return boxes or []
    inside = [(boxed(body) or [body]) for body in tagged]
    if where == "auto":
        return [*(part for parts in inside for part in parts), *boxes] or [said]
    return _in_order(inside, around) or [said]


def _in_order(inside: list[list[str]], around: list[str]) -> list[str]:
    """Answers as they come: the boxes of each text between two tags, then what the next tag holds."""
    found: list[str] = []
    for index, outside in enumerate(around):
        found += boxed(outside) or []
        found += inside[index] if index < len(inside) else []
    return found


def after_thinking(text: str) -> str | None:
    """What follows the last `</think>`, or the whole text; None where the thinking does not end."""
    ends = [match.end() for match in _THOUGHT.finditer(text)]
    rest = text[ends[-1] :] if ends else text
    return None if _THINK.search(rest) else rest


def fenced(text: str) -> list[str]:
    """Bodies of Markdown's code fences; the text itself if there are none. A fence that is not closed ends with the text."""
    pieces = _FENCE.split(text)
    return pieces[1::2] if len(pieces) > 1 else [text]


def _tagged(text: str) -> tuple[list[str] | None, str, list[str]]:
    """Bodies of the answer tags, the text around them, and that text in pieces; None for bodies where a tag is not closed."""
    bodies, around, position = [], [], 0
    while opened := _OPEN.search(text, position):
        closed = _CLOSE.search(text, opened.end())
        if closed is None:
            return None, text, [text]
        bodies.append(text[opened.end() : closed.start()])
        around.append(text[position : opened.start()])
        position = closed.end()
    around.append(text[position:])
    return bodies, " ".join(around), around


def boxed(text: str) -> list[str] | None:
    """Bodies of the boxes, braces balanced; None where one is not closed."""
    bodies, position = [], 0
    while (start := text.find(_BOXED, position)) >= 0:
        depth, end = 1, -1
        for brace in _BRACE.finditer(text, start + len(_BOXED)):
            depth += 1 if brace.group() == "{" else -1
            if depth == 0:
                end = brace.start()
                break
        if end < 0:
            return None
        bodies.append(text[start + len(_BOXED) : end])
        position = end + 1
    return bodies
