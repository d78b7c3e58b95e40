"""What an answer to a drawn question says, and whether it is right."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial

from ratchet.evaluate.suites.base import Asked, Mark
from ratchet.evaluate.suites.procedural.asking import PLACES
from ratchet.evaluate.suites.procedural.scene import Thing
from ratchet.verify import yes_no_answer
from ratchet.verify.extract import UNPARSED, Extracted, extract
from ratchet.verify.rules.boxes import Point, read_points
from ratchet.verify.text import numbers, plain_words

_NUMBER = r"(-?[0-9]{1,9}(?:\.[0-9]{0,9})?)"
_NAMED = re.compile(
    rf"""\{{?\(?\s?["']?\bx["']?\s?[:=]\s?{_NUMBER}[,;]?\s?(?:and\s)?["']?y["']?\s?[:=]\s?{_NUMBER}\s?[)}}]{{0,2}}""",
    re.IGNORECASE,
)
"""A point whose two numbers are named: "x = 20, y: 40", {"x": 20, "y": 40}."""
_ORDINALS = {"first": "1", "second": "2", "third": "3", "fourth": "4"}
_PLACE_WORDS = {"upper": "top", "lower": "bottom", "centre": "center"}
_CENTRES = {"center": "middle center", "middle": "middle center", "center center": "middle center"}


def mark(item: Asked, answer: str) -> Mark:
    """Right when the answer's one reading is the reference; no reading, or several, is wrong."""
    if item.facts["reads"] == "point":
        return _pointed(item, answer)
    said = _READERS[item.facts["reads"]](item, answer)
    if said.value is None:
        return Mark(0.0, None, said.reason or UNPARSED)
    return Mark(float(said.value == item.reference), said.value)


def _pointed(item: Asked, answer: str) -> Mark:
    """Right when the point is in the shape, to the pixel. `distance` is to the centre, in percent of the side."""
    points = extract(_NAMED.sub(r"(\1, \2)", answer.replace("%", "")), lambda part: list(read_points(part)))
    if points.value is None:
        return Mark(0.0, None, points.reason or UNPARSED)
    (scene,) = item.facts["scenes"]
    (target,) = (thing for one in scene["things"] if (thing := Thing(*one)).name in item.facts["choices"])
    at = points.value
    x, y = (value * scene["side"] / 100 for value in (at.x, at.y))
    away = 100 / scene["side"] * float(abs(complex(*target.centre) - complex(x, y)))
    return Mark(float(target.holds(x, y)), _said(at), counts={"distance": round(away, 3)})


def _said(point: Point) -> str:
    return f"({point.x:g}, {point.y:g})"


def _yes_no(item: Asked, answer: str) -> Extracted[str]:
    del item
    said = yes_no_answer(answer)
    return Extracted(None, UNPARSED) if said is None else Extracted("yes" if said else "no", None)


def _number(item: Asked, answer: str) -> Extracted[str]:
    del item
    return extract(answer, lambda part: [str(one) if one != int(one) else str(int(one)) for one in numbers(part)])


def _choice(item: Asked, answer: str) -> Extracted[str]:
    """The one choice that the answer names."""
    choices: Sequence[str] = item.facts["choices"]
    return extract(answer, partial(_named, choices, _reworded(choices)))


def _reworded(choices: Sequence[str]) -> dict[str, str]:
    if choices[0] in PLACES:
        return _PLACE_WORDS
    return _ORDINALS if choices[0].isdigit() else {}


def _named(choices: Sequence[str], words: dict[str, str], part: str) -> list[str]:
    text = " ".join(words.get(word, word) for word in plain_words(part).split())
    if choices[0] in PLACES:
        text = _CENTRES.get(text, text)
    return [choice for choice in choices if f" {choice} " in f" {text} "]


_READERS: dict[str, Callable[[Asked, str], Extracted[str]]] = {"yes_no": _yes_no, "number": _number, "choice": _choice}
