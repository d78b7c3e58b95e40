r"""What a completion gives as its answer: a marked part (`<answer>..</answer>`, `\boxed{}`) or else the whole text.

What comes before `</think>` is never an answer. A mark that is opened and not closed leaves nothing to read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T", bound=Hashable)

AMBIGUOUS = "ambiguous"
UNPARSED = "unparsed"
_THINK = re.compile(r"<think>", re.IGNORECASE)
_THOUGHT = re.compile(r"</think>", re.IGNORECASE)
_OPEN = re.compile(r"<answer>", re.IGNORECASE)
_CLOSE = re.compile(r"</answer>", re.IGNORECASE)
_BOXED = "\\boxed{"
_BRACE = re.compile(r"[{}]")


class Extracted(NamedTuple, Generic[T]):
    """One value, or the reason why there is none ("ambiguous" or "unparsed") with all that was read."""

    value: T | None
    reason: str | None
    readings: tuple[T, ...] = ()


def extract(text: str, read: Callable[[str], Iterable[T]]) -> Extracted[T]:
    """Read every answer of the text. One distinct reading is the value; none is unparsed, several are ambiguous."""
    readings = tuple(dict.fromkeys(one for answer in answers(text) for one in read(answer)))
    if len(readings) == 1:
        return Extracted(readings[0], None, readings)
    return Extracted(None, AMBIGUOUS if readings else UNPARSED, readings)


def answers(text: str) -> list[str]:
    """The marked answers, or the whole text if nothing is marked. Empty where a mark is not closed."""
    if "<" not in text and "\\" not in text:
        return [text]
    said = _after_thinking(text)
    if said is None:
        return []
    tagged, rest = _tagged(said)
    if tagged is None:
        return []
    boxed = _boxed(rest)
    if boxed is None:
        return []
    inside = [part for body in tagged for part in (_boxed(body) or [body])]
    return [*inside, *boxed] or [said]


def _after_thinking(text: str) -> str | None:
    ends = [match.end() for match in _THOUGHT.finditer(text)]
    rest = text[ends[-1] :] if ends else text
    return None if _THINK.search(rest) else rest


def _tagged(text: str) -> tuple[list[str] | None, str]:
    """Bodies of the answer tags, and the text around them; None for bodies where a tag is not closed."""
    bodies, around, position = [], [], 0
    while opened := _OPEN.search(text, position):
        closed = _CLOSE.search(text, opened.end())
        if closed is None:
            return None, text
        bodies.append(text[opened.end() : closed.start()])
        around.append(text[position : opened.start()])
        position = closed.end()
    return bodies, " ".join([*around, text[position:]])


def _boxed(text: str) -> list[str] | None:
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
