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
_ORDER = ["<think>", "</think>", "<answer>", "</answer>"]
_OPENED = re.compile(r"<think>", re.IGNORECASE)
_THOUGHT = re.compile(r"</think>", re.IGNORECASE)
_MARK = re.compile(r"<answer>|\\boxed\{", re.IGNORECASE)
# A line's end, a sentence's end before a blank, or a full stop of scripts that put none behind it. Linear in the text.
_END = re.compile(r"(?:[.!?][\"')\]]*)?\n+|[.!?][\"')\]]*(?=[^\S\n])|[\u3002\uff01\uff1f]")
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
    first, last = len(text) - len(text.lstrip()), len(text.rstrip())
    return tuple(end for end in ends if first < end < last)


def _ends(text: str) -> list[int]:
    """Where steps end. An end with nothing but blanks before it moves the one that it follows."""
    ends: list[int] = []
    for found in _END.finditer(text):
        piece = text[ends[-1] if ends else 0 : found.end()]
        if not piece.strip() and ends:
            ends[-1] = found.end()
        elif not _NUMERAL.fullmatch(piece):
            ends.append(found.end())
    return ends


def _keeps_tags(text: str) -> bool:
    """Whether the four tags are there once, in their order, with a thought in the first pair and nothing around."""
    tags = list(_TAG.finditer(text))
    if [tag[0].lower() for tag in tags] != _ORDER:
        return False
    think, thought, answer, end = tags
    around = text[: think.start()] + text[thought.end() : answer.start()] + text[end.end() :]
    return not around.strip() and bool(text[think.end() : thought.start()].strip())


def _keeps_box(text: str) -> bool:
    return text.count(BOX) == 1 and BOX in _THOUGHT.split(text)[-1]


def _thought(text: str) -> str:
    """From the first `<think>` to the last `</think>`, either of which may be missing; with neither, what comes before
    the answer's mark."""
    opened = _OPENED.search(text)
    ends = [found.start() for found in _THOUGHT.finditer(text)]
    if opened is None and not ends:
        return _MARK.split(text)[0].strip()
    start = opened.end() if opened is not None else 0
    return text[start : ends[-1] if ends and ends[-1] >= start else None].strip()
