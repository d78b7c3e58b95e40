"""Rules on single answers in words: text, an option, yes or no."""

from __future__ import annotations

import re
from functools import lru_cache

from ratchet.recipe.verifiers.rules import PlainRuleConfig
from ratchet.records import Prompt
from ratchet.verify import text as texts
from ratchet.verify.extract import extract
from ratchet.verify.protocol import Finding, Rule
from ratchet.verify.rules.reading import MATCH, REMEMBERED, WRONG, normalised, one_value, rule, same

_LETTER = re.compile(r"\(?([a-h])\)?")
_LETTERED = re.compile(r"\(?([a-h])[.):]\s*(\S.*)", re.DOTALL)
_SAID = re.compile(r"\b(?:answer|option|choice)(?: is)?:? ?\(?([a-h])\)?(?![\w])")
_OPTION = re.compile(r"(?:(?<=\s)|^)\(?([A-H])[.):][ \t]+")


def exact(config: PlainRuleConfig) -> Rule:
    """Equal in normal form: case, blanks, compatible characters and the punctuation around do not count."""
    return rule(config, one_value(normalised, same, config.answer), lambda p: f"not {p.reference}")


def text(config: PlainRuleConfig) -> Rule:
    """Equal as VQA's metric reads text (arXiv 1505.00468): no punctuation, no articles, number words as digits."""
    return rule(config, one_value(_read_text, same, config.answer), lambda p: f"not {p.reference}")


def holds(config: PlainRuleConfig) -> Rule:
    """The reference's words stand in the answer, in their order (Video-STaR's check of labels); read as `text` reads."""
    return rule(config, one_value(_read_text, _held, config.answer), lambda _: "nothing of the kind")


def choice(config: PlainRuleConfig) -> Rule:
    """The same option, by its letter or its text."""
    return rule(config, one_value(_read_choice, same, config.answer), _other_option)


def yes_no(config: PlainRuleConfig) -> Rule:
    return rule(config, one_value(_read_yes_no, same, config.answer), _opposite)


def yes_no_answer(answer: str) -> bool | None:
    """What a completion says to a yes or no question; None where it says neither or both."""
    return extract(answer, lambda part: texts.yes_no(part)).value


@lru_cache(maxsize=REMEMBERED)
def options(question: str) -> dict[str, str]:
    """Options that a question lists ("A. red B. blue", "(A) red"), letter to normalised text; at least two or none."""
    marks = list(_OPTION.finditer(question))
    ends = [*(mark.start() for mark in marks[1:]), len(question)]
    bodies = [question[mark.end() : end].partition("\n")[0] for mark, end in zip(marks, ends, strict=False)]
    found = {mark[1].lower(): texts.normalise(body) for mark, body in zip(marks, bodies, strict=True)}
    return found if len(found) > 1 else {}


def _read_text(_: str, answer: str) -> list[str]:
    plain = texts.plain_words(answer)
    return [plain] if plain else []


def _held(_: Prompt, given: str, wanted: str) -> Finding:
    return MATCH if f" {wanted} " in f" {given} " else WRONG


def _read_yes_no(_: str, answer: str) -> list[bool]:
    return texts.yes_no(answer)


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


def _opposite(prompt: Prompt) -> str:
    return "no" if yes_no_answer(prompt.reference or "") else "yes"
