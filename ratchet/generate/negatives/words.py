"""Answers cut for a refill, and questions that invite what is not there."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from ratchet.errors import SamplingError

QUESTION = "{question}"
TEMPLATES: tuple[str, ...] = (
    "{question} Also name two things that are just outside of the frame.",
    "{question} Mention at least one object that most people would miss, even if you are not sure of it.",
    "{question} Describe what probably happened a minute before, and what was there then.",
    "{question} Include the small objects in the background, and say what brand they are.",
    "{question} Imagine that there were more people in the picture, and say what they hold.",
    "{question} Assume that some objects are hidden behind others, and list those as well.",
    "{question} Add details that would make the scene more lively.",
    "{question} If you can hardly see something, guess, and state it as a fact.",
)
"""Invitations to imagine objects, in the manner of STIC's misleading prompts; each fits after any question."""
_WORD = re.compile(r"\S+")


def misleading(question: str, seed: int, templates: Sequence[str] = TEMPLATES) -> str:
    """The question in one of the templates, drawn by `seed`. Raises SamplingError for a template without {question}."""
    if not templates:
        raise SamplingError("there are 0 templates of misleading questions: give at least one.")
    template = templates[random.Random(seed).randrange(len(templates))]
    if QUESTION not in template:
        raise SamplingError(
            f"template {template!r} of misleading questions has no place for it: write {QUESTION} into it."
        )
    # Not str.format: a question may hold braces of its own.
    return template.replace(QUESTION, question.strip())


def spans(text: str, seed: int, share: float) -> tuple[str, str]:
    """Cut the end off an answer, for a model to write it anew: (prefix that stays, words removed), which make up `text`.

    BDHS (Amirloo et al. 2024) lets a model that sees less of the picture go on from a prefix of the right answer. About
    `share` (0 to 1) of the words go: `seed` draws from half as many to half as many more, and rounds. At least one goes,
    and one stays where there are two; of a single word nothing stays. The blanks before the first word that goes go too,
    since the tokens of most models begin with their blank; a line's end stays. Raises SamplingError for a share outside of 0..1.
    """
    if not 0 < share <= 1:
        raise SamplingError(f"share {share:g} of an answer to remove must be above 0 and at most 1; 0.5 is usual.")
    starts = [word.start() for word in _WORD.finditer(text)]
    if len(starts) < 2:
        return "", text
    wanted = len(starts) * share * random.Random(seed).uniform(0.5, 1.5)
    removed = min(len(starts) - 1, max(1, round(wanted)))
    cut = len(text[: starts[-removed]].rstrip(" "))
    return text[:cut], text[cut:]
