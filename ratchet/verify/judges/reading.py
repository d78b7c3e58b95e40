"""Replies of judges, read strictly: what is not said plainly, or said twice differently, is not read at all.

Pure, and linear in the reply's length. None means unreadable; nothing here guesses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import orjson

from ratchet.generate.engine import Answer
from ratchet.verify.extract import after_thinking
from ratchet.verify.text import normalise, yes_no

LONGEST = 32_000
"""Characters. A longer reply is no verdict."""

_BULLET = re.compile(r"(?:[-*•]|\d{1,3}[.)])[ \t]+(\S.*)")
_NUMBER = r"(\d{1,3}(?:\.\d{1,3})?)(?:[ \t]*/[ \t]*(\d{1,3}))?"
_ALONE = re.compile(_NUMBER)
_SENTENCE_END = re.compile(r"[.!?。！？](?=\s)")
_DECORATION = '*_#>`-•" \t'


def said(answer: Answer) -> str | None:
    """The reply without what was thought before it; None where it failed, was cut, is too long, or thinks without end."""
    if answer.error is not None or answer.finish_reason != "stop" or len(answer.text) > LONGEST:
        return None
    rest = after_thinking(answer.text)
    return None if rest is None else rest.strip()


def read_yes_no(reply: str) -> bool | None:
    """Yes or no; None where it says neither or both."""
    found = yes_no(reply)
    return next(iter(found)) if len(found) == 1 else None


def is_one_word(reply: str) -> bool:
    """Whether the reply is yes or no and nothing else: then its likelihood is that of the word."""
    return normalise(reply) in ("yes", "no")


def read_scores(reply: str, criteria: Sequence[str], lowest: int, highest: int) -> dict[str, float] | None:
    """A number on the scale for each criterion: a JSON object, or a line each; a number alone where there is one criterion.

    None where one is missing, off the scale, or said twice with different numbers.
    """
    listed = _from_json(reply, criteria) or _from_lines(reply, criteria)
    if listed is None and len(criteria) == 1:
        alone = _ALONE.fullmatch(reply.strip(_DECORATION + "."))
        listed = {criteria[0]: (float(alone[1]), alone[2])} if alone else None
    if listed is None:
        return None
    fits = all(lowest <= value <= highest and of in (None, str(highest)) for value, of in listed.values())
    return {name: value for name, (value, _) in listed.items()} if fits else None


def _from_json(reply: str, criteria: Sequence[str]) -> dict[str, tuple[float, str | None]] | None:
    pieces = reply.split("```")
    body = pieces[1].removeprefix("json") if len(pieces) == 3 else reply
    if not body.lstrip().startswith("{"):
        return None
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    # JSON may name a key twice; orjson takes the last, which would be a guess.
    if not isinstance(found, dict) or any(body.count(f'"{name}"') != 1 for name in criteria):
        return None
    values = [found.get(name) for name in criteria]
    numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    return {n: (v, None) for n, v in zip(criteria, numbers, strict=True)} if len(numbers) == len(criteria) else None


@lru_cache(maxsize=256)
def _line(name: str) -> re.Pattern[str]:
    return re.compile(rf"{re.escape(name)}[*_`\"]*[ \t]*[:=][ \t]*[*_`]*{_NUMBER}[*_`.,;]*", re.IGNORECASE)


def _from_lines(reply: str, criteria: Sequence[str]) -> dict[str, tuple[float, str | None]] | None:
    lines = [line.strip(_DECORATION) for line in reply.splitlines()]
    found: dict[str, tuple[float, str | None]] = {}
    for name in criteria:
        readings = {(float(hit[1]), hit[2]) for line in lines if (hit := _line(name).fullmatch(line))}
        if len(readings) != 1:
            return None
        found[name] = readings.pop()
    return found


def read_choice(reply: str, words: Sequence[str]) -> int | None:
    """Which of the words the reply is, by its number; or which its last line gives after "verdict:", "answer:" or "better:"."""
    known = [normalise(word) for word in words]
    plain = normalise(reply.strip(_DECORATION))
    if plain in known:
        return known.index(plain)
    lines = [line for line in reply.splitlines() if line.strip()]
    marked = (
        re.fullmatch(r"(?:verdict|answer|better)[*_]*[ \t]*:(.*)", lines[-1].strip(_DECORATION), re.IGNORECASE)
        if lines
        else None
    )
    last = normalise(marked[1].strip(_DECORATION)) if marked else ""
    return known.index(last) if last in known else None


def read_claims(reply: str) -> tuple[str, ...] | None:
    """The claims that a reply lists, one to a bulleted or numbered line; none where it says "none"; None where it is no list.

    A heading may stand before them, which ends with a colon.
    """
    if normalise(reply) == "none":
        return ()
    lines = [line.strip() for line in reply.splitlines() if line.strip()]
    if lines and lines[0].endswith(":") and not _BULLET.fullmatch(lines[0]):
        lines = lines[1:]
    listed = [found[1].strip() for line in lines if (found := _BULLET.fullmatch(line))]
    return tuple(dict.fromkeys(listed)) if listed and len(listed) == len(lines) else None


def step_ends(text: str, how: str) -> tuple[int, ...]:
    """Where the steps of a chain end, as places in the text; the last is the text's end. Blank steps are none.

    `how` is lines, sentences, or a text that separates steps (it belongs to the step before it).
    """
    if how == "lines":
        marks = [found.start() for found in re.finditer(r"\n", text)]
    elif how == "sentences":
        marks = [found.end() for found in _SENTENCE_END.finditer(text)]
    else:
        marks = [found.end() for found in re.finditer(re.escape(how), text)]
    ends: list[int] = []
    before = 0
    for end in [*marks, len(text)]:
        if text[before:end].strip():
            ends.append(before + len(text[before:end].rstrip()))
            before = end
    return tuple(ends)
