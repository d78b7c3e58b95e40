"""Answers in mathematics, as MathVista, MathVerse and MathVision read them: an option, a number, a list, a formula.

What counts of an answer is its last box, else what follows its last "answer is", else the whole. No model extracts: the papers' scripts ask
one to, and a score then depends on which. Formulas are compared by the verifier `maths` (math-verify, in a process of its own): an answer
that stops it is unscored.
"""

from __future__ import annotations

import ast
import re
from string import ascii_uppercase

from ratchet.evaluate.suites.base import Asked, Mark
from ratchet.recipe.verifiers.rules import MathsConfig
from ratchet.verify.contained import Stopped
from ratchet.verify.extract import AMBIGUOUS, UNPARSED, after_thinking, answers, boxed
from ratchet.verify.rules import chosen
from ratchet.verify.rules.maths import comparison
from ratchet.verify.text import normalise, numbers

_STATED = re.compile(r"\banswer\s?(?:is\s?:?|:)", re.IGNORECASE)
_SENTENCE_END = re.compile(r"\.(?:\s|$)|\n")
_LIST = re.compile(r"\[[^\[\]]*\]")
_DOLLARS = re.compile(r"[$£€]|\\[$%]")
_EQUALS = re.compile(r"=|\b(?:gives|equals|makes)\b", re.IGNORECASE)
_FRACTION = re.compile(r"(-?\d{1,15})\s?/\s?0*([1-9]\d{0,14})")
SHOWN = 200
_compare = comparison(MathsConfig())


def final(answer: str) -> str:
    """The part of an answer that counts; empty where it says nothing."""
    said = after_thinking(answer) or ""
    if boxes := boxed(said):
        return boxes[-1].strip()
    parts = answers(answer)
    whole = parts[-1].strip() if parts else ""
    stated = list(_STATED.finditer(whole))
    if not stated:
        return whole
    rest = whole[stated[-1].end() :].strip()
    return _SENTENCE_END.split(rest, maxsplit=1)[0].strip() or whole


def option(item: Asked, answer: str) -> Mark:
    """Right when the part that counts names the reference's option, or is equal to its text as mathematics."""
    texts = item.facts["options"]
    listed = dict(zip(ascii_uppercase, texts, strict=False))
    part = final(answer)
    found = chosen(listed, part) if part else None
    if found is None or (found.value is None and found.reason != UNPARSED):
        return Mark(0.0, None, found.reason or UNPARSED if found else UNPARSED)
    if found.value is not None:
        return Mark(float(found.value == item.reference), found.value)
    # Of a text that is no option's the value may be: "\\boxed{0.5}" for 1/2.
    return _by_value(item, listed, part)


def _by_value(item: Asked, listed: dict[str, str], part: str) -> Mark:
    if not any(character.isdigit() for character in part) or len(part) > SHOWN:
        return Mark(0.0, None, UNPARSED)
    equal = equation(Asked(item.key, item.category, listed.get(item.reference or "", ""), item.facts), part)
    if equal.score is None:
        return equal
    return Mark(1.0, item.reference) if equal.correct else Mark(0.0, None, UNPARSED)


def equation(item: Asked, answer: str) -> Mark:
    """Right when the part that counts is equal to the reference as text, or as mathematics."""
    part = final(answer)
    if not part:
        return Mark(0.0, None, UNPARSED)
    reference = item.reference or ""
    if _plain(part) == _plain(reference):
        return Mark(1.0, part[:SHOWN])
    try:
        found = _compare(reference, part)
    except Stopped as stopped:
        return Mark(None, None, stopped.reason)
    if found.reason == "bad_reference":  # no formula, so that only the same text is the same
        return Mark(0.0, part[:SHOWN], "wrong")
    said = None if found.reason == UNPARSED else part[:SHOWN]
    return Mark(found.score, said, found.reason or "")


def _plain(text: str) -> str:
    return re.sub(r"\s+|[$]|\\(?:left|right|[,;!])", "", normalise(text))


def number(item: Asked, answer: str, digits: int) -> Mark:
    """Right when the one number of the part that counts is the reference, to so many digits after the point.

    Where nothing is stated, the last line that has a number counts, of an equation its right side. Two different numbers are ambiguous.
    """
    found = dict.fromkeys(round(one, digits) for one in _values(final(answer)))
    if len(found) != 1:
        return Mark(0.0, None, AMBIGUOUS if found else UNPARSED)
    said = next(iter(found))
    return Mark(
        float(said == round(float(item.reference or "nan"), digits)), f"{said:.{digits}f}" if digits else str(said)
    )


def _values(part: str) -> list[float]:
    plain = _DOLLARS.sub(" ", part).replace("%", " ")
    for line in reversed(plain.splitlines()):
        side = _EQUALS.split(line)[-1]
        if fraction := _FRACTION.fullmatch(side.strip(" .")):
            return [int(fraction[1]) / int(fraction[2])]
        if found := numbers(side) or numbers(line):
            return [float(one) for one in found]
    return []


def sequence(item: Asked, answer: str) -> Mark:
    """Right when the last list of the part that counts has the reference's numbers in their order."""
    found = _LIST.findall(final(answer))
    said = _numbers(found[-1]) if found else None
    if said is None:
        return Mark(0.0, None, UNPARSED)
    return Mark(float(said == _numbers(item.reference or "")), found[-1][:SHOWN])


def _numbers(text: str) -> list[float] | None:
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if not isinstance(found, list) or not all(isinstance(one, int | float) for one in found):
        return None
    return [float(one) for one in found]
