"""What a model's answer says: its marked part, or all that follows its thinking, as every verifier of ratchet reads it."""

from __future__ import annotations

from ratchet.evaluate.suites.base import Asked, Mark
from ratchet.verify import yes_no_answer
from ratchet.verify.extract import UNPARSED, after_thinking, extract

YES_NO = ("yes", "no")
SILENT = "names_nothing"
"""Why a description is wrong that names nothing of what is there."""


def said(answer: str) -> str | None:
    """The answer's text, as it was written; None where it is empty, or marks several answers."""
    return extract(answer, lambda part: [plain] if (plain := part.strip()) else []).value


def spoken(answer: str) -> str:
    """What a judge is shown of an answer: no thinking, and the marked part if there is one. Empty where nothing was said."""
    return said(answer) or after_thinking(answer) or ""


def yes_no_mark(item: Asked, answer: str) -> Mark:
    """Right when the answer's only yes or no is the reference; an unreadable answer is wrong."""
    read = yes_no_answer(answer)
    if read is None:
        return Mark(0.0, None, UNPARSED)
    word = "yes" if read else "no"
    return Mark(float(word == item.reference), word)


def unparsed() -> Mark:
    """Of an answer in which nothing can be read where something must: wrong, and counted as unparsed."""
    return Mark(0.0, None, UNPARSED)
