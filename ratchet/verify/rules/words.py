"""Rules on single answers in words: text, yes or no."""

from __future__ import annotations

from ratchet.recipe.verifiers.rules import PlainRuleConfig
from ratchet.records import Prompt
from ratchet.verify import text as texts
from ratchet.verify.extract import extract
from ratchet.verify.protocol import Finding, Rule
from ratchet.verify.rules.reading import MATCH, WRONG, normalised, one_value, rule, same


def exact(config: PlainRuleConfig) -> Rule:
    """Equal in normal form: case, blanks, compatible characters and the punctuation around do not count."""
    return rule(config, one_value(normalised, same, config.answer), lambda p: f"not {p.reference}")


def text(config: PlainRuleConfig) -> Rule:
    """Equal as VQA's metric reads text (arXiv 1505.00468): no punctuation, no articles, number words as digits."""
    return rule(config, one_value(_read_text, same, config.answer), lambda p: f"not {p.reference}")


def holds(config: PlainRuleConfig) -> Rule:
    """The reference's words stand in the answer, in their order (Video-STaR's check of labels); read as `text` reads."""
    return rule(config, one_value(_read_text, _held, config.answer), lambda _: "nothing of the kind")


def yes_no(config: PlainRuleConfig) -> Rule:
    return rule(config, one_value(_read_yes_no, same, config.answer), _opposite)


def yes_no_answer(answer: str) -> bool | None:
    """What a completion says to a yes or no question; None where it says neither or both."""
    return extract(answer, lambda part: texts.yes_no(part)).value


def _read_text(_: str, answer: str) -> list[str]:
    plain = texts.plain_words(answer)
    return [plain] if plain else []


def _held(_: Prompt, given: str, wanted: str) -> Finding:
    return MATCH if f" {wanted} " in f" {given} " else WRONG


def _read_yes_no(_: str, answer: str) -> list[bool]:
    return texts.yes_no(answer)


def _opposite(prompt: Prompt) -> str:
    return "no" if yes_no_answer(prompt.reference or "") else "yes"
