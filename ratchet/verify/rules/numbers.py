"""Rules on single numbers: equal within a tolerance, with units, counts, and values read off charts."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from ratchet.recipe.verifiers.rules import ChartConfig, NumericConfig, PlainRuleConfig
from ratchet.records import Prompt
from ratchet.verify import text as texts
from ratchet.verify.extract import answers
from ratchet.verify.protocol import Finding, Rule
from ratchet.verify.rules.measures import Measure, measures
from ratchet.verify.rules.reading import MATCH, REMEMBERED, WRONG, normalised, one_value, rule, same

NO_UNIT, OTHER_UNIT = "no_unit", "other_unit"


def numeric(config: NumericConfig) -> Rule:
    """The one number, in the reference's unit where it has one."""
    relative, absolute = Decimal(str(config.tolerance)), Decimal(str(config.absolute))
    plain = one_value(_read_number, _close(relative, absolute), config.answer)
    corrupt = _another(relative, absolute)
    if config.units == "ignore":
        return rule(config, plain, corrupt, "2")
    measured = one_value(_read_measure, _same_measure(config), config.answer)

    def check(prompt: Prompt, answer: str) -> Finding:
        return (measured if _has_unit(prompt.reference or "") else plain)(prompt, answer)

    return rule(config, check, corrupt, "2")


def _close(relative: Decimal, absolute: Decimal) -> Callable[[Prompt, Decimal, Decimal], Finding]:
    """Equal, or no farther apart than either tolerance allows."""

    def close(_: Prompt, given: Decimal, wanted: Decimal) -> Finding:
        return MATCH if within(given, wanted, relative, absolute) else WRONG

    return close


def within(given: Decimal, wanted: Decimal, relative: Decimal, absolute: Decimal = Decimal(0)) -> bool:
    """Whether a number is no farther from another than either tolerance allows; the relative one is of what is wanted."""
    return given == wanted or abs(given - wanted) <= max(relative * abs(wanted), absolute)


def _same_measure(config: NumericConfig) -> Callable[[Prompt, Measure, Measure], Finding]:
    relative, absolute = Fraction(str(config.tolerance)), Fraction(str(config.absolute))

    def close(_: Prompt, given: Measure, wanted: Measure) -> Finding:
        unit = wanted.unit
        if given.dimension is None and config.units == "required":
            return Finding(0.0, False, NO_UNIT)
        if given.dimension not in (None, wanted.dimension):
            return Finding(0.0, False, OTHER_UNIT)
        says, truth = (given.base if given.dimension is None else unit.of(given.base)), unit.of(wanted.base)
        return MATCH if abs(says - truth) <= max(relative * abs(truth), absolute) else WRONG

    return close


def count(config: PlainRuleConfig) -> Rule:
    """How many: equal whole numbers pass; the score says how near another number is."""

    def near(_: Prompt, given: int, wanted: int) -> Finding:
        if given == wanted:
            return MATCH
        score = float(1 - Fraction(abs(given - wanted), max(given, wanted)))
        return Finding(score, False, "partial" if score > 0 else "wrong")

    return rule(config, one_value(_read_count, near, config.answer), _another())


def chart(config: ChartConfig) -> Rule:
    """A number within the tolerance where the reference is one, per cent signs aside; else the same text."""
    limit = Decimal(str(config.tolerance))
    valued = one_value(_read_number, _close(limit, Decimal(0)), config.answer)
    worded = one_value(normalised, same, config.answer)

    def check(prompt: Prompt, answer: str) -> Finding:
        return (valued if is_number(prompt.reference or "") else worded)(prompt, answer)

    def corrupt(prompt: Prompt) -> str:
        return _another(limit)(prompt) if is_number(prompt.reference or "") else f"not {prompt.reference}"

    return rule(config, check, corrupt)


def _read_number(_: str, answer: str) -> list[Decimal]:
    return texts.numbers(answer)


def _read_measure(_: str, answer: str) -> list[Measure]:
    return measures(answer)


def _read_count(_: str, answer: str) -> list[int]:
    return [int(n) for n in texts.numbers(answer) if 0 <= n < 10**9 and n == n.to_integral_value()]


@lru_cache(maxsize=REMEMBERED)
def _has_unit(reference: str) -> bool:
    return any(one.dimension is not None for part in answers(reference) for one in measures(part))


@lru_cache(maxsize=REMEMBERED)
def is_number(reference: str) -> bool:
    """Whether a reference is a number and nothing more: "45%", "$1,000", "twelve"."""
    words = texts.normalise(reference).strip("$€£¥% ").split()
    return len(words) == 1 and len(texts.numbers(reference)) == 1


def _another(relative: Decimal = Decimal(0), absolute: Decimal = Decimal(0)) -> Callable[[Prompt], str]:
    """Makes the next number that the tolerances must refuse, with the reference's unit."""

    def corrupt(prompt: Prompt) -> str:
        found = next(iter(measures(prompt.reference or "")), None)
        if found is None:
            plain = texts.numbers(prompt.reference or "")
            return str(plain[0] + 1 + absolute + 2 * relative * abs(plain[0])) if plain else ""
        value = found.number + 1 + absolute + 2 * relative * abs(found.number)
        return f"{value} {found.unit.name}".strip()

    return corrupt
