r"""Chains of thought: their parts, their steps, and where they can be cut. Pure.

What a chain's answer is, the verifiers' reader decides (`ratchet.verify.extract`), so that both can't disagree.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Literal, NamedTuple

from ratchet.verify.extract import answers

Form = Literal["tags", "boxed"]
INSTRUCTIONS: dict[Form, str] = {
    "tags": "Think first, step by step, in <think> </think>, then give only the final answer in <answer> </answer>.",
    "boxed": r"Think first, step by step, then give only the final answer in \boxed{}.",
}
BOX = "\\boxed{"
_TAG = re.compile(r"</?(?:think|answer)>", re.IGNORECASE)
_THINK = re.compile(r"<think>(.*)</think>", re.IGNORECASE | re.DOTALL)
_THOUGHT = re.compile(r"</think>", re.IGNORECASE)
_TAGGED = re.compile(r"\s*<think>(.*?)</think>\s*<answer>(.*?)</answer>\s*", re.IGNORECASE | re.DOTALL)
_OPENED = re.compile(r"<think>", re.IGNORECASE)
_MARK = re.compile(r"</think>|<answer>|\\boxed\{", re.IGNORECASE)
# A line's end, a sentence's end before a blank, or a full stop of scripts that put none behind it.
_END = re.compile(r"(?:[.!?][\"')\]]*)?(?:[^\S\n]*\n)+|[.!?][\"')\]]*(?=[^\S\n])|[\u3002\uff01\uff1f]")
_NUMERAL = re.compile(r"\s*\(?\d+[.)]\s*")
_WORD = re.compile(r"\S+")


class Chain(NamedTuple):
    """A chain's thought and its answer (None where a verifier would read none, or several), and whether the whole text
    keeps the form that was asked for."""

    thought: str
    answer: str | None
    well_formed: bool


def parts(text: str, form: Form = "tags") -> Chain:
    """Take a chain apart. Never raises; what is nested, unclosed or said twice is not well-formed."""
    read = answers(text)
    answer = read[0].strip() if len(read) == 1 else None
    formed = _keeps_tags(text) if form == "tags" else _keeps_box(text)
    return Chain(_thought(text), answer, bool(answer) and formed)


def steps(thought: str) -> tuple[str, ...]:
    """Sentences and lines of a thought. A numeral that opens a step ("2. Then ..") belongs to it."""
    edges = [0, *_ends(thought), len(thought)]
    pieces = (thought[start:end].strip() for start, end in pairwise(edges))
    return tuple(piece for piece in pieces if piece)


def cuts(text: str, by: Literal["steps", "words"]) -> tuple[int, ...]:
    """Lengths at which a text can be cut in two parts that both have words: between steps, or between words."""
    ends = _ends(text) if by == "steps" else [word.end() for word in _WORD.finditer(text)]
    return tuple(end for end in ends if text[:end].strip() and text[end:].strip())


def _ends(text: str) -> list[int]:
    ends: list[int] = []
    for found in _END.finditer(text):
        if not _NUMERAL.fullmatch(text[ends[-1] if ends else 0 : found.end()]):
            ends.append(found.end())
    return ends


def _keeps_tags(text: str) -> bool:
    found = _TAGGED.fullmatch(text)
    return found is not None and bool(found[1].strip()) and not any(_TAG.search(part) for part in found.groups())


def _keeps_box(text: str) -> bool:
    said = _THOUGHT.split(text)[-1]
    return text.count(BOX) == 1 and BOX in said


def _thought(text: str) -> str:
    """What is between the outermost think tags, or after one that is not closed; else what comes before the first mark."""
    inside = _THINK.search(text)
    if inside is not None:
        return inside[1].strip()
    opened = _OPENED.search(text)
    if opened is not None:
        return text[opened.end() :].strip()
    return _MARK.split(text)[0].strip()
