"""The rule verifiers. Each reads the reference as it reads an answer, so that both follow the same conventions.

| name    | reads                                        | passes                     | score            |
|---------|----------------------------------------------|----------------------------|------------------|
| exact   | the normalised answer                        | equal                      | 0 or 1           |
| numeric | the one number in the answer                 | equal within TOLERANCE     | 0 or 1           |
| choice  | an option's letter, or its text              | the same option            | 0 or 1           |
| yes_no  | yes or no                                    | the same                   | 0 or 1           |
| set_f1  | a set of items separated by commas           | the same set               | F1               |
| objects | a multiset of objects separated by commas    | the same multiset          | F1, and by object |
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar

from ratchet.recipe.verifiers.rules import NumericConfig, PlainRuleConfig
from ratchet.records import Part, Prompt
from ratchet.verify import text as texts
from ratchet.verify.extract import Extracted, extract
from ratchet.verify.protocol import Check, Finding, Rule, Verifier, per_completion

T = TypeVar("T", bound=Hashable)

TOLERANCE = Decimal(0)
"""Largest relative error of a number that passes; charts are usually read with 0.05."""
MAX_PARTS = 32
BAD_REFERENCE = "bad_reference"
_CUT = 80
_REMEMBERED = 1024
_LETTER = re.compile(r"\(?([a-h])\)?")
_LETTERED = re.compile(r"\(?([a-h])[.):]\s*(\S.*)", re.DOTALL)
_SAID = re.compile(r"\b(?:answer|option|choice)(?: is)?:? ?\(?([a-h])\)?(?![\w])")
_OPTION = re.compile(r"(?:(?<=\s)|^)\(?([A-H])[.):][ \t]+")

Listed = frozenset[tuple[str, int]]


def _equal(read: Callable[[str, str], Iterable[T]], same: Callable[[T, T], bool]) -> Check:
    """A rule that reads one value from the answer and one from the reference, and compares them.

    `read` takes the question, for the options that it may list, and the text.
    """

    @lru_cache(maxsize=_REMEMBERED)
    def reference_of(question: str, reference: str) -> Extracted[T]:
        return extract(reference, lambda part: read(question, part))

    def check(prompt: Prompt, answer: str) -> Finding:
        question = prompt.question
        wanted = reference_of(question, prompt.reference or "")
        if wanted.value is None:
            return Finding(None, None, BAD_REFERENCE, f"the reference is {wanted.reason}")
        given = extract(answer, lambda part: read(question, part))
        if given.value is None:
            return Finding(0.0, False, given.reason or "", _show(given.readings))
        return Finding(1.0, True, "match") if same(given.value, wanted.value) else Finding(0.0, False, "wrong")

    return check


def _show(readings: tuple[Any, ...]) -> str | None:
    return " | ".join(str(one)[:_CUT] for one in readings[:4]) or None


def _read_exact(_: str, answer: str) -> list[str]:
    plain = texts.normalise(answer)
    return [plain] if plain else []


def _read_number(_: str, answer: str) -> list[Decimal]:
    return texts.numbers(answer)


def _close(given: Decimal, wanted: Decimal) -> bool:
    return given == wanted or abs(given - wanted) <= TOLERANCE * abs(wanted)


def _read_yes_no(_: str, answer: str) -> list[bool]:
    return sorted(texts.yes_no(answer))


@lru_cache(maxsize=_REMEMBERED)
def options(question: str) -> dict[str, str]:
    """Options that a question lists ("A. red B. blue", "(A) red"), letter to normalised text; at least two or none."""
    marks = list(_OPTION.finditer(question))
    ends = [*(mark.start() for mark in marks[1:]), len(question)]
    bodies = [question[mark.end() : end].partition("\n")[0] for mark, end in zip(marks, ends, strict=False)]
    found = {mark[1].lower(): texts.normalise(body) for mark, body in zip(marks, bodies, strict=True)}
    return found if len(found) > 1 else {}


def _read_choice(question: str, answer: str) -> list[str]:
    """Letters and texts that the answer names; an option's text stands for its letter.

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
        return [lettered[1]] if other is None else sorted({lettered[1], other})
    said = sorted({m[1] for m in _SAID.finditer(plain)})
    if said or listed:
        return said
    return [plain] if plain else []


def _same(given: object, wanted: object) -> bool:
    return given == wanted


def _overlap(read: Callable[[str], Counter[str]], with_parts: bool) -> Check:
    """A rule on lists: F1 of what is common; passes only when equal."""

    def listed(part: str) -> list[Listed]:
        counted = read(part)
        return [frozenset(counted.items())] if counted else []

    @lru_cache(maxsize=_REMEMBERED)
    def reference_of(reference: str) -> Extracted[Listed]:
        return extract(reference, listed)

    def check(prompt: Prompt, answer: str) -> Finding:
        wanted, given = reference_of(prompt.reference or ""), extract(answer, listed)
        if wanted.value is None:
            return Finding(None, None, BAD_REFERENCE, f"the reference is {wanted.reason}")
        if given.value is None:
            return Finding(0.0, False, given.reason or "")
        ours, truth = Counter(dict(given.value)), Counter(dict(wanted.value))
        common = (ours & truth).total()
        score = 2 * common / (ours.total() + truth.total())
        reason = "match" if ours == truth else "partial" if common else "wrong"
        return Finding(score, ours == truth, reason, parts=_parts(ours, truth) if with_parts else ())

    return check


def _parts(ours: Counter[str], truth: Counter[str]) -> tuple[Part, ...]:
    """One part per object, what the reference names first: how much of its number is right."""
    names = [*sorted(truth), *sorted(ours.keys() - truth.keys())][:MAX_PARTS]
    return tuple(Part(name=n[:_CUT], score=min(ours[n], truth[n]) / max(ours[n], truth[n])) for n in names)


def _read_set(answer: str) -> Counter[str]:
    return Counter(dict.fromkeys(texts.items(answer), 1))


def _read_objects(answer: str) -> Counter[str]:
    return Counter(texts.items(answer))


def parse_objects(text: str) -> Counter[str]:
    """The multiset of objects that a caption names, from its marked answer if there is one; empty if unreadable."""
    found = extract(text, lambda part: [frozenset(_read_objects(part).items())])
    return Counter(dict(found.value or ()))


def yes_no_answer(text: str) -> bool | None:
    """What a completion says to a yes or no question; None where it says neither or both."""
    return extract(text, lambda part: sorted(texts.yes_no(part))).value


def _another_number(prompt: Prompt) -> str:
    found = texts.numbers(prompt.reference or "")
    return str(found[0] + 1) if found else ""


def _other_option(prompt: Prompt) -> str:
    read = _read_choice(prompt.question, prompt.reference or "")
    if read and len(read[0]) == 1:
        return "b" if read[0] == "a" else "a"
    return f"no {prompt.reference}"


def _opposite(prompt: Prompt) -> str:
    return "no" if yes_no_answer(prompt.reference or "") else "yes"


def _one_more(prompt: Prompt) -> str:
    return f"{prompt.reference} , something else"


def _twice(prompt: Prompt) -> str:
    return f"{prompt.reference} , {next(iter(texts.items(prompt.reference or '')), '')}"


RULES: tuple[Rule, ...] = (
    per_completion(_equal(_read_exact, _same), name="exact", corrupt=lambda p: f"not {p.reference}"),
    per_completion(_equal(_read_number, _close), name="numeric", corrupt=_another_number),
    per_completion(_equal(_read_choice, _same), name="choice", corrupt=_other_option),
    per_completion(_equal(_read_yes_no, _same), name="yes_no", corrupt=_opposite),
    per_completion(_overlap(_read_set, False), name="set_f1", corrupt=_one_more),
    per_completion(_overlap(_read_objects, True), name="objects", corrupt=_twice),
)
VERIFIERS: dict[str, Verifier] = {rule.name: rule for rule in RULES}
"""What prompts may name: each with its defaults."""


def _plain(config: PlainRuleConfig, _tools: object) -> Verifier:
    rule = VERIFIERS[config.name]
    assert isinstance(rule, Rule)
    return replace(rule, name=config.called)


def _numeric(config: NumericConfig, _tools: object) -> Verifier:
    limit = Decimal(str(config.tolerance))

    def close(given: Decimal, wanted: Decimal) -> bool:
        return given == wanted or abs(given - wanted) <= limit * abs(wanted)

    return per_completion(_equal(_read_number, close), name=config.called, corrupt=_another_number)


RULE_BUILDERS: dict[str, Callable[[Any, Any], Verifier]] = {
    **dict.fromkeys(("exact", "choice", "yes_no", "set_f1", "objects"), _plain),
    "numeric": _numeric,
}
