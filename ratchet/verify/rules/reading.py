"""What the rules share: read one value from the reference and one from the answer, and compare them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, TypeVar

from ratchet.recipe.verifiers.base import Where
from ratchet.recipe.verifiers.rules import RuleBase
from ratchet.records import Prompt
from ratchet.verify.extract import Extracted, extract
from ratchet.verify.protocol import Check, Finding, Rule
from ratchet.verify.text import normalise

T = TypeVar("T")

BAD_REFERENCE = "bad_reference"
TOO_LONG = "too_long"
MATCH = Finding(1.0, True, "match")
WRONG = Finding(0.0, False, "wrong")
CUT = 80
REMEMBERED = 1024
_MARKS = {"boxed": "\\boxed{{{}}}", "tagged": "<answer>{}</answer>"}


def one_value(
    read: Callable[[str, str], Iterable[T]], compare: Callable[[Prompt, T, T], Finding], where: Where = "auto"
) -> Check:
    """A rule that reads one value from the answer and one from the reference, and compares them.

    `read` takes the question, for the options that it may list, and a text; it returns every reading. `compare` takes
    what the answer says and what the reference says.
    """

    @lru_cache(maxsize=REMEMBERED)
    def reference_of(question: str, reference: str) -> Extracted[Any]:
        return extract(reference, lambda part: read(question, part))

    def check(prompt: Prompt, answer: str) -> Finding:
        question = prompt.question
        wanted = reference_of(question, prompt.reference or "")
        if wanted.value is None:
            return bad_reference(f"the reference is {wanted.reason}")
        given: Extracted[Any] = extract(answer, lambda part: read(question, part), where)
        if given.value is None:
            return Finding(0.0, False, given.reason or "", shown(given.readings))
        return compare(prompt, given.value, wanted.value)

    return check


def normalised(_: str, answer: str) -> list[str]:
    """The whole text in normal form as one reading; none where nothing is left of it."""
    plain = normalise(answer)
    return [plain] if plain else []


def bad_reference(why: str) -> Finding:
    return Finding(None, None, BAD_REFERENCE, why)


def shown(readings: Iterable[Any]) -> str | None:
    """The first few readings, for a verdict's detail."""
    said = " | ".join(str(one)[:CUT] for one in list(readings)[:4])
    return said.encode("utf-8", "replace").decode() or None


def same(_: Prompt, given: object, wanted: object) -> Finding:
    return MATCH if given == wanted else WRONG


def scored(score: float, passes: float) -> Finding:
    """A finding for a score between 0 and 1."""
    if score >= 1:
        return MATCH
    return Finding(score, score >= passes, "close" if score >= passes else "partial" if score > 0 else "wrong")


def rule(
    config: RuleBase,
    check: Check,
    corrupt: Callable[[Prompt], str],
    version: str = "1",
    gold: Callable[[Prompt], str] | None = None,
) -> Rule:
    """The rule, called as the recipe calls it. Where answers must be marked, its own gold and corruptions are."""
    form = _MARKS.get(config.answer)
    if form is None:
        return Rule(config.called, version, check, corrupt, gold=gold)

    def marked(make: Callable[[Prompt], str]) -> Callable[[Prompt], str]:
        return lambda prompt: form.format(make(prompt))

    return Rule(config.called, version, check, marked(corrupt), gold=marked(gold or (lambda p: p.reference or "")))
