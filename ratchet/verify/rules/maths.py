"""The rule on mathematics: math-verify in a contained worker, and no worker where plain numbers say enough."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

from ratchet.recipe.verifiers.base import Where
from ratchet.recipe.verifiers.rules import MathsConfig
from ratchet.records import Prompt
from ratchet.verify.contained import Contained, Worker, worker
from ratchet.verify.extract import AMBIGUOUS, UNPARSED, answers
from ratchet.verify.protocol import Finding, Rule
from ratchet.verify.rules.reading import MATCH, REMEMBERED, TOO_LONG, WRONG, bad_reference, rule

LONGEST = 10_000
"""Characters of an answer that are read; a proof is no answer."""
_PLAIN = re.compile(r"\s*\$?\s*(-?[0-9]{1,30}(?:\.[0-9]{1,30})?)\s*\$?\s*")
_NEAR = Decimal("0.0001")
"""Numbers farther apart than this are not equal to six decimals, which is how math-verify compares."""
_MARKED = re.compile(r"\$|\\[(\[]|\\boxed")
_LATEX = re.compile(r"[\\^_{]|[A-Za-z]")
_WORDS = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}\s+[A-Za-z]{2,}")


def maths(config: MathsConfig) -> Contained:
    """Equal as mathematics. Several marked answers must all be, or be the reference together ("\\boxed{2}, \\boxed{3}")."""
    check = _Check(worker("maths", config.seconds, config.memory_mib), config.answer)
    made: Rule = rule(config, check, _changed)
    return Contained.of(made)


class _Check:
    def __init__(self, asked: Worker, where: Where) -> None:
        self._worker = asked
        self._where: Where = where

    def __call__(self, prompt: Prompt, answer: str) -> Finding:
        gold, plain = _reference(prompt.reference or "")
        if gold is None:
            return bad_reference("the reference has no answer, or several")
        said = answers(answer, self._where)
        if not said or not any(one.strip() for one in said):
            return Finding(0.0, False, UNPARSED)
        if self._where in ("first", "last"):
            return self._one(gold, plain, said[0 if self._where == "first" else -1], said == [answer], only=False)
        distinct = list(dict.fromkeys(one.strip() for one in said))
        if len(distinct) == 1:
            return self._one(gold, plain, distinct[0], said == [answer], only=said == [answer])
        return self._several(gold, plain, distinct)

    def _several(self, gold: str, plain: Decimal | None, said: list[str]) -> Finding:
        together = self._ask(gold, " and ".join(f"${one}$" for one in said), only=False)
        if together == MATCH:
            return MATCH
        found = [self._one(gold, plain, one, False, only=False) for one in said]
        if all(one == MATCH for one in found):
            return MATCH
        return Finding(0.0, False, AMBIGUOUS) if any(one == MATCH for one in found) else WRONG

    def _one(self, gold: str, plain: Decimal | None, said: str, whole: bool, only: bool) -> Finding:
        if plain is not None and (number := _number(said)) is not None:
            if number == plain:
                return MATCH
            if abs(number - plain) > _NEAR:
                return WRONG
        return self._ask(gold, said if whole and _WORDS.search(said) else as_maths(said), only)

    def _ask(self, gold: str, given: str, only: bool) -> Finding:
        if len(given) > LONGEST:
            return Finding(0.0, False, TOO_LONG)
        said = self._worker.ask({"gold": gold, "given": given, "only": only})
        if said == "match":
            return MATCH
        return (
            bad_reference("math-verify cannot read the reference")
            if said == "bad_reference"
            else Finding(0.0, False, said)
        )


@lru_cache(maxsize=REMEMBERED)
def _reference(reference: str) -> tuple[str | None, Decimal | None]:
    """The reference as mathematics, and as a plain number where it is one."""
    said = list(dict.fromkeys(one.strip() for one in answers(reference)))
    if not said or not any(said) or len(reference) > LONGEST:
        return None, None
    if len(said) > 1:
        return " and ".join(f"${one}$" for one in said), None
    return as_maths(said[0]), _number(said[0])


def _number(text: str) -> Decimal | None:
    match = _PLAIN.fullmatch(text) if len(text) < 80 else None
    return None if match is None else Decimal(match[1])


def as_maths(text: str) -> str:
    """The text in dollar signs where it is a formula without them: math-verify reads LaTeX inside of them alone."""
    if _MARKED.search(text) or not _LATEX.search(text) or _WORDS.search(text):
        return text
    return f"${text}$"


def _changed(prompt: Prompt) -> str:
    gold, plain = _reference(prompt.reference or "")
    if plain is not None:
        return str(plain + 1)
    inner = (gold or "").strip().strip("$").strip()
    return f"$7 + {inner}$" if inner else "7"
