"""Rules of form: marks in their places, length, repetition. They need no reference and say nothing about what is right."""

from __future__ import annotations

import re
from collections.abc import Callable
from string import ascii_lowercase

from ratchet.recipe.verifiers.forms import FormatConfig, LengthConfig, RepetitionConfig
from ratchet.records import Prompt
from ratchet.verify.extract import boxed
from ratchet.verify.protocol import Finding, Rule
from ratchet.verify.rules.reading import MATCH

_TAG = re.compile(r"</?(?:think|answer)>", re.IGNORECASE)
_LONG_WORD = 40


def layout(config: FormatConfig) -> Rule:
    """Passes where every mark is there once, in its place, with something in it."""
    wanted = ["<answer>", "</answer>"] if config.form != "boxed" else []
    wanted = ["</think>", *wanted] if config.begun else ["<think>", "</think>", *wanted]
    optional_thought = config.form == "boxed"

    def check(_: Prompt, text: str) -> Finding:
        tags = [match.group().lower() for match in _TAG.finditer(text)]
        if tags != wanted and not (optional_thought and not tags):
            return Finding(0.0, False, "marks", " ".join(tags[:8]) or "no marks")
        pieces = [piece.strip() for piece in _TAG.split(text)]
        if config.form == "boxed":
            return _one_box(pieces[-1])
        outside = [pieces[-1], pieces[-3], *([] if config.begun else [pieces[0]])]
        if any(outside):
            return Finding(0.0, False, "text_outside")
        if not pieces[-4] or not pieces[-2]:
            return Finding(0.0, False, "empty")
        return _one_box(pieces[-2]) if config.form == "tags_boxed" else MATCH

    before = "" if config.begun else "<think>"

    def gold(prompt: Prompt) -> str:
        answer = prompt.reference or "an answer"
        if config.form == "tags":
            return f"{before}so</think><answer>{answer}</answer>"
        box = f"\\boxed{{{answer}}}"
        return f"{before}so</think>{box}" if config.form == "boxed" else f"{before}so</think><answer>{box}</answer>"

    return _form(config.called, check, gold, lambda prompt: f"so {prompt.reference or 'an answer'}")


def _one_box(text: str) -> Finding:
    found = boxed(text)
    if found is None or len(found) != 1:
        return Finding(0.0, False, "boxes", f"{len(found or ())} closed boxes")
    return MATCH if found[0].strip() else Finding(0.0, False, "empty")


def length(config: LengthConfig) -> Rule:
    """1 within the bounds; beyond `most` it falls to 0 over `soft`, below `least` it is 0."""

    def check(_: Prompt, text: str) -> Finding:
        size = len(text.split()) if config.unit == "words" else len(text)
        if size < config.least:
            return Finding(0.0, False, "too_short", str(size))
        if size <= config.most:
            return MATCH
        over = size - config.most
        return Finding(max(0.0, 1 - over / config.soft) if config.soft else 0.0, False, "too_long", str(size))

    unit = "x " if config.unit == "words" else "x"
    return _form(
        config.called, check, lambda _: unit * max(config.least, 1), lambda _: unit * (config.most + config.soft + 1)
    )


def repetition(config: RepetitionConfig) -> Rule:
    """The share of n-grams that were not there before."""

    def check(_: Prompt, text: str) -> Finding:
        words = [piece for word in text.split() for piece in ([word] if len(word) <= _LONG_WORD else word)]
        total = len(words) - config.n + 1
        if total < 2:
            return MATCH
        repeated = 1 - len(set(zip(*(words[i:] for i in range(config.n)), strict=False))) / total
        if repeated == 0:
            return MATCH
        passed = repeated <= config.most
        return Finding(1 - repeated, passed, "repeats_little" if passed else "repeats", f"{repeated:.3f}")

    said = " ".join(ascii_lowercase)
    return _form(config.called, check, lambda _: said, lambda _: "again " * (config.n * 40))


def _form(
    name: str, check: Callable[[Prompt, str], Finding], gold: Callable[[Prompt], str], corrupt: Callable[[Prompt], str]
) -> Rule:
    return Rule(name, "1", check, corrupt, needs_reference=False, gold=gold)
