"""Multiple choice, as most suites ask it: options with letters in the prompt, a reference among them, an answer read.

An item's `facts["options"]` are the texts in order; the letters follow from their places. Reading is `verify.rules.chosen`:
an answer that names no option, or two, is wrong and counted as `unparsed`; no option is ever drawn at random, and none is
taken because it looks similar (MMMU's, VLMEvalKit's and MathVista's scripts do so: it lends every model its chance level).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from string import ascii_uppercase

from ratchet.evaluate.suites.base import Asked, Mark
from ratchet.evaluate.suites.folder import Row
from ratchet.verify.rules import chosen
from ratchet.verify.text import normalise

LETTERS = ascii_uppercase
DIRECT = "Answer with the option's letter from the given choices directly."
_SINGLE = re.compile(r"\(?([A-Za-z])[).:]?")
_MARKS = re.compile(r"(?:^|(?<=[\s,;]))\(?([A-Z])[).:]\s+")
_PLACE = re.compile(r"<image[ _]?(\d+)?>")


def lettered(options: Sequence[str]) -> str:
    """One option a line: "A. red"."""
    return "\n".join(f"{letter}. {text}" for letter, text in zip(LETTERS, options, strict=False))


def asked(question: str, options: Sequence[str], end: str = DIRECT) -> str:
    """Question, options and what to answer with, each on lines of their own."""
    return "\n".join(part for part in (question, lettered(options), end) if part)


def mark(item: Asked, answer: str) -> Mark:
    """Right when the one option that the answer names is the reference."""
    found = chosen(dict(zip(LETTERS, item.facts["options"], strict=False)), answer)
    if found.value is None:
        return Mark(0.0, None, found.reason or "")
    return Mark(float(found.value == item.reference), found.value)


def columns(row: Row, names: Sequence[str]) -> list[str]:
    """Options that lie in columns of their own (A, B, C, D): up to the first that is empty, at least two."""
    found: list[str] = []
    for name in names:
        text = str(row.get(name, "")).strip()
        if text.lower() in ("", "nan"):
            break
        found.append(text)
    return _enough(row, found, f"options {', '.join(names)}")


def apart(row: Row) -> bool:
    """Whether the options lie in columns of their own: there is something in column A."""
    return str(row.get("A", "")).strip().lower() not in ("", "nan")


def listed(row: Row, *fields: str) -> list[str]:
    """Options that lie in one column: a list, or a text that is one in Python's notation, as MMMU writes it."""
    found = row.value(*fields)
    if isinstance(found, str):
        try:
            found = ast.literal_eval(found)
        except (ValueError, SyntaxError) as error:
            raise row.problem(f"{fields[0]} is {found[:40]!r}, and must be a list of options") from error
    if not isinstance(found, list):
        raise row.problem(f"{fields[0]} is a {type(found).__name__}, and must be a list of options")
    return _enough(row, [str(one).strip() for one in found], fields[0])


def written(text: str) -> list[str]:
    """Options that a text lists after letters from A on ("A. red B. blue", "A: red, B: blue", "(a) red"); none where it has none.

    The list is the last run that begins with A, so that letters in the question itself do not count.
    """
    marks = [match for match in _MARKS.finditer(text) if match[1] in LETTERS]
    starts = [index for index, match in enumerate(marks) if match[1] == "A"]
    for start in reversed(starts):
        run = [
            match for place, match in enumerate(marks[start:]) if place < len(LETTERS) and match[1] == LETTERS[place]
        ]
        if len(run) > 1:
            ends = [*(match.start() for match in run[1:]), len(text)]
            bodies = [text[match.end() : end] for match, end in zip(run, ends, strict=True)]
            return [body.strip().split("\n")[0].strip(" ,;") for body in bodies]
    return []


def letter(row: Row, field: str, options: Sequence[str]) -> str:
    """The reference as a capital, from a letter ("B", "(b)") or an option's text."""
    if alone := _SINGLE.fullmatch(row.text(field)):
        return _within(row, field, LETTERS.index(alone[1].upper()), options)
    return by_text(row, field, options)


def by_text(row: Row, field: str, options: Sequence[str]) -> str:
    """The reference as a capital, from the option's text alone: "A" may be the text of the second."""
    wanted = normalise(row.text(field))
    place = next((place for place, text in enumerate(options) if normalise(text) == wanted), -1)
    return _within(row, field, place, options)


def at_index(row: Row, field: str, options: Sequence[str]) -> str:
    """The reference as a capital, from its place among the options, counted from 0."""
    said = row.text(field)
    return _within(row, field, int(said) if said.isdecimal() else -1, options)


def _within(row: Row, field: str, place: int, options: Sequence[str]) -> str:
    if not 0 <= place < len(options):
        said = row.text(field)[:40]
        raise row.problem(f"{field} is {said!r}, which is none of the options {', '.join(LETTERS[: len(options)])}")
    return LETTERS[place]


def _enough(row: Row, options: list[str], what: str) -> list[str]:
    if not 2 <= len(options) <= len(LETTERS):
        raise row.problem(f"{what}: {len(options)} options, and there must be 2 to {len(LETTERS)}")
    return options


def placed(text: str) -> str:
    """Marks of pictures in words: "<image>" and "<image 2>" become "[Image 1]", "[Image 2]".

    Pictures come before the text here, and a processor would take "<image>" for one more of them.
    """
    count = 0

    def named(match: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return f"[Image {match[1] or count}]"

    return _PLACE.sub(named, text)
