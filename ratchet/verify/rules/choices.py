"""The rule on options, and how an answer chooses one: by its letter, or by its text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from ratchet.recipe.verifiers.rules import PlainRuleConfig
from ratchet.records import Prompt
from ratchet.verify import text as texts
from ratchet.verify.extract import AMBIGUOUS, UNPARSED, Extracted, answers
from ratchet.verify.protocol import Rule
from ratchet.verify.rules.reading import REMEMBERED, one_value, rule, same

_LETTER = re.compile(r"\(?([a-h])\)?")
_LETTERED = re.compile(r"\(?([a-h])[.):]\s*(\S.*)", re.DOTALL)
_SAID = re.compile(r"\b(?:answer|option|choice)(?: is)?:? ?\(?([a-h])\)?(?![\w])")
_OPTION = re.compile(r"(?:(?<=\s)|^)\(?([A-H])[.):][ \t]+")

_MARKUP = re.compile(r"[*_`$]+|\\(?:text|mathrm|mathbf|textbf)\b|[{}<>]")
_ONE = r"\(?([A-Za-z])\)?(?![\w'])"
_ALONE = re.compile(rf"(?:(?:the )?(?:option|choice|answer)\s*:?\s*)?{_ONE}[\s.,:;!]*", re.IGNORECASE)
_STARTS = re.compile(r"\(?([A-Za-z])(?:\)[.:,]?|[.:,])(?=\s|$)\s*(.*)", re.DOTALL)
_STATED = re.compile(
    r"\b(?:answer|option|choice)s?(?:\s+(?:is|would be|should be|must be))\s*:?\s*(?:option\s+|choice\s+)?" + _ONE
    + r"|\banswer\s*:\s*(?:option\s+|choice\s+)?" + _ONE,
    re.IGNORECASE,
)  # fmt: skip
_OR = re.compile(r"\s*(?:,|/|&|\bor\b|\band\b)\s*" + _ONE, re.IGNORECASE)
_NOT = r"(?<!not )(?<!n't )(?<!n\u2019t )"
_BRACKETED = re.compile(_NOT + r"\(([A-Z])\)")
_CAPITAL = re.compile(_NOT + r"(?<![\w'(.-])([B-HJ-Z]|[AI](?!\s+(?!(?:or|and|nor)\b)[a-z]))(?![\w'-])")
_DENIED = re.compile(
    r"\b(not|never|neither|nor|cannot|(?:is|was|are|were|do|does|did|ca)n['\u2019 ]?t)((?: be)?) (?=\w)"
)
_SHORT = 4


def choice(config: PlainRuleConfig) -> Rule:
    """The same option, by its letter or its text."""
    return rule(config, one_value(_read_choice, same, config.answer), _other_option)


@lru_cache(maxsize=REMEMBERED)
def options(question: str) -> dict[str, str]:
    """Options that a question lists ("A. red B. blue", "(A) red"), letter to normalised text; at least two or none."""
    marks = list(_OPTION.finditer(question))
    ends = [*(mark.start() for mark in marks[1:]), len(question)]
    bodies = [question[mark.end() : end].partition("\n")[0] for mark, end in zip(marks, ends, strict=False)]
    found = {mark[1].lower(): texts.normalise(body) for mark, body in zip(marks, bodies, strict=True)}
    return found if len(found) > 1 else {}


def chosen(listed: Mapping[str, str], answer: str) -> Extracted[str]:
    """The letter of the option that a free answer gives, as benchmarks read it; `listed` has capitals and texts.

    What says most plainly which option is meant decides alone: a letter or an option's text that is the whole answer, the
    last "the answer is B", a letter that is the first or last line, a letter at the start ("B. blue"), letters in brackets,
    capitals that stand alone, texts of options within the answer. Two options of the same standing are ambiguous; so is a letter with
    another option's text. What a "not" stands before is not chosen. Nothing is guessed.
    """
    known = _prepared(tuple(listed.items()))
    if len(answer) <= _SHORT and (letter := _alone(known, answer.strip())):
        return Extracted(letter, None, (letter,))
    found = [letter for part in answers(answer) for letter in _named(known, _plain(part))]
    readings = tuple(dict.fromkeys(found))
    if len(readings) == 1:
        return Extracted(readings[0], None, readings)
    return Extracted(None, AMBIGUOUS if readings else UNPARSED, readings)


class _Known(NamedTuple):
    """Options as they are compared, by letter: in normal form, and as plain words with what is denied marked."""

    texts: Mapping[str, str]
    words: Mapping[str, str]


@lru_cache(maxsize=REMEMBERED)
def _prepared(listed: tuple[tuple[str, str], ...]) -> _Known:
    plain = {letter: _plain(text) for letter, text in listed}
    return _Known(
        {letter: texts.normalise(text) for letter, text in plain.items()},
        {letter: _words(text) for letter, text in plain.items()},
    )


def _plain(said: str) -> str:
    """Without marks of Markdown and LaTeX, single blanks, no empty lines: the patterns stay linear."""
    lines = (" ".join(line.split()) for line in _MARKUP.sub(" ", said).splitlines())
    return "\n".join(line for line in lines if line)


def _named(known: _Known, said: str) -> list[str]:
    for read in (_whole, _stated, _first_and_last, _starting, _in_brackets, _capitals, _texts_within):
        if letters := read(known, said):
            return letters
    return []


def _whole(known: _Known, said: str) -> list[str]:
    """The answer is a letter, or an option's text."""
    if letter := _alone(known, said):
        return [letter]
    plain = texts.normalise(said)
    return [letter for letter, text in known.texts.items() if plain and text == plain]


def _first_and_last(known: _Known, said: str) -> list[str]:
    lines = said.split("\n")
    return [letter for line in (lines[0], lines[-1]) if (letter := _alone(known, line))]


def _alone(known: _Known, line: str) -> str | None:
    found = _ALONE.fullmatch(line)
    return found[1].upper() if found and found[1].upper() in known.texts else None


def _stated(known: _Known, said: str) -> list[str]:
    """What the last statement of an answer names: "A or B" names both, and "a cat" is no letter."""
    found: list[str] = []
    said = said.replace("\n", " ")
    for match in _STATED.finditer(said):
        letter = match[1] or match[2]
        if letter.upper() not in known.texts or (letter == "a" and re.match(r"\s+\w", said[match.end() :])):
            continue
        found = [letter.upper()]
        end = match.end()
        while (more := _OR.match(said, end)) and more[1] in known.texts:
            found.append(more[1])
            end = more.end()
    return found


def _starting(known: _Known, said: str) -> list[str]:
    start = _STARTS.match(said)
    if start is None or (letter := start[1].upper()) not in known.texts:
        return []
    more = _OR.match(start[2])
    if (second := _alone(known, start[2]) or (more[1] if more else None)) in known.texts:
        return [letter, str(second)]
    rest = texts.normalise(start[2])
    others = [one for one, text in known.texts.items() if rest and text == rest]
    return [letter] if letter in others else [letter, *others]


def _in_brackets(known: _Known, said: str) -> list[str]:
    return [letter for letter in _BRACKETED.findall(said) if letter in known.texts]


def _capitals(known: _Known, said: str) -> list[str]:
    """Capitals as words of their own; A and I before a word in small letters, but for "or" and "and", are article and pronoun."""
    return [letter for letter in _CAPITAL.findall(said) if letter in known.texts]


def _texts_within(known: _Known, said: str) -> list[str]:
    """Options whose words stand in the answer, but for those whose words are part of another's that does."""
    plain = f" {_words(said)} "
    there = {letter: text for letter, text in known.words.items() if text and f" {text} " in plain}
    return [
        letter
        for letter, text in there.items()
        if not any(text != other and f" {text} " in f" {other} " for other in there.values())
    ]


def _words(said: str) -> str:
    """Plain words; one that is denied is marked, so that "not blue" holds no "blue", and an option "not visible" is still itself."""
    return _DENIED.sub(r"\1\2 ~", texts.plain_words(said))


def _read_choice(question: str, answer: str) -> list[str]:
    """Letters and texts that the answer names, in their order; an option's text stands for its letter.

    A letter with a text that is another option's reads as both. With listed options, what is none of them is unparsed.
    """
    listed = options(question)
    letters = {text: letter for letter, text in listed.items()}
    plain = texts.normalise(answer)
    if plain in letters:
        return [letters[plain]]
    if alone := _LETTER.fullmatch(plain):
        return [alone[1]]
    if lettered := _LETTERED.fullmatch(plain):
        other = letters.get(texts.normalise(lettered[2]))
        return [lettered[1]] if other is None else [lettered[1], other]
    said = [m[1] for m in _SAID.finditer(plain)]
    if said or listed:
        return said
    return [plain] if plain else []


def _other_option(prompt: Prompt) -> str:
    read = _read_choice(prompt.question, prompt.reference or "")
    if read and len(read[0]) == 1:
        return "b" if read[0] == "a" else "a"
    return f"no {prompt.reference}"
