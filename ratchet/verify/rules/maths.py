"""The rule on mathematics: math-verify in a contained worker, and no worker where plain numbers say enough."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache

from ratchet.recipe.verifiers.base import Where
from ratchet.recipe.verifiers.rules import MathsConfig
from ratchet.records import Prompt
from ratchet.verify.contained import Contained, Worker, worker
from ratchet.verify.extract import AMBIGUOUS, UNPARSED, answers, boxed
from ratchet.verify.protocol import Finding
from ratchet.verify.rules.reading import MATCH, REMEMBERED, TOO_LONG, WRONG, bad_reference, rule

LONGEST = 10_000
"""Characters of an answer that are read; a proof is no answer."""
_PLAIN = re.compile(r"\s*\$?\s*(-?[0-9]{1,30}(?:\.[0-9]{1,30})?)\s*\$?\s*")
_NEAR = Decimal("0.0001")
"""Numbers farther apart than this are not equal to six decimals, which is how math-verify compares."""
_MARKED = re.compile(r"\$|\\[(\[]|\\boxed")
_FINAL = re.compile("final answer", re.IGNORECASE)
_LATEX = re.compile(r"[\\^_{]|[A-Za-z]")
_WORDS = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}\s+[A-Za-z]{2,}")


def maths(config: MathsConfig) -> Contained:
    """Equal as mathematics. Several boxes may be the reference together, as math-verify reads them; of answers that stand
    apart, all must be equal to it."""
    asked = worker("maths", config.seconds, config.memory_mib)
    compare = _Compare(asked, config.answer)

    def check(prompt: Prompt, answer: str) -> Finding:
        return compare(prompt.reference or "", answer)

    return Contained(rule(config, check, _changed), asked)


def comparison(config: MathsConfig) -> Callable[[str, str], Finding]:
    """How the rule compares a reference with an answer, for those who have no prompt. It raises Stopped where its worker is."""
    return _Compare(worker("maths", config.seconds, config.memory_mib), config.answer)


class _Compare:
    def __init__(self, asked: Worker, where: Where) -> None:
        self._worker = asked
        self._where: Where = where

    def __call__(self, reference: str, answer: str) -> Finding:
        gold, plain = _reference(reference)
        said = parts(answer, self._where)
        if not said:
            return Finding(0.0, False, UNPARSED)
        if self._where in ("first", "last"):
            return self._one(gold, plain, said[0 if self._where == "first" else -1], self._where)
        return self._all([self._one(gold, plain, one, "only") for one in said])

    def _all(self, found: list[Finding]) -> Finding:
        """Unscored before all else; then one for all, or ambiguous."""
        undecided = next((one for one in found if one.score is None), None)
        if undecided is not None or len(set(found)) == 1:
            return undecided or found[0]
        return Finding(0.0, False, AMBIGUOUS) if MATCH in found else found[0]

    def _one(self, gold: str, plain: Decimal | None, said: str, take: str) -> Finding:
        if plain is not None and (number := _number(_in_box(said))) is not None:
            if number == plain:
                return MATCH
            if abs(number - plain) > _NEAR:
                return WRONG
        found = self._ask(gold, as_maths(said), take)
        boxes = boxed(said) or [] if found == MATCH and take == "only" else []
        apart = list(dict.fromkeys(box.strip() for box in boxes))
        if len(apart) < 2:
            return found
        singly = {self._ask(gold, f"${box}$", take) == MATCH for box in apart}
        return Finding(0.0, False, AMBIGUOUS) if len(singly) > 1 else MATCH

    def _ask(self, gold: str, given: str, take: str) -> Finding:
        if len(given) > LONGEST or len(gold) > LONGEST:
            return Finding(0.0, False, TOO_LONG) if len(gold) <= LONGEST else bad_reference("it is too long")
        said = self._worker.ask({"gold": gold, "given": given, "take": take})
        if said == "match":
            return MATCH
        return bad_reference("math-verify cannot read it") if said == "bad_reference" else Finding(0.0, False, said)


def parts(answer: str, where: Where) -> list[str]:
    """The texts that math-verify reads: bodies of tags, or what follows the thinking, with its boxes and formulas in it.

    None is blank, and none is there twice.
    """
    if where == "boxed":
        said = [f"\\boxed{{{one}}}" for one in answers(answer, where)]
    else:
        said = answers(answer, "tagged")
        if where != "tagged" and (every := answers(answer, where)):
            # Beside a tag a box is another answer; without tags math-verify looks for boxes itself.
            said = every if said else answers(answer, "whole")
    return list(dict.fromkeys(one.strip() for one in said if one.strip()))


@lru_cache(maxsize=REMEMBERED)
def _reference(reference: str) -> tuple[str, Decimal | None]:
    """The reference as mathematics, and as a plain number where it is one."""
    said = parts(reference, "auto")
    one = said[0] if len(said) == 1 else reference
    return as_maths(one), _number(one)


def _in_box(text: str) -> str:
    """What the text's one box holds, where that is its answer; else the text."""
    if "\\boxed{" not in text or _FINAL.search(text):
        return text
    boxes = boxed(text) or []
    return boxes[0] if len(boxes) == 1 else text


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
    inner = gold.strip().strip("$").strip()
    return f"$7 + {inner}$" if inner else "7"
