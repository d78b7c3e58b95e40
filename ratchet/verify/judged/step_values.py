"""Monte-Carlo values of steps (VisualPRM, arXiv 2503.10291): from each step the model goes on, and rules look at the ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ratchet.generate.engine import Answer, joined
from ratchet.generate.sampling import SamplingParams
from ratchet.recipe.verifiers.judged import StepValuesConfig
from ratchet.records import Completion, Group, Prompt
from ratchet.verify.judged.asked import Asking, Case, Opinion, version_of
from ratchet.verify.judged.steps import combined, too_many
from ratchet.verify.judges import Judge, Question
from ratchet.verify.judges.reading import step_ends
from ratchet.verify.judging import rights
from ratchet.verify.tools import Tools

UNCHECKED_ENDS = "no_right_or_wrong_ends"


class _Value(NamedTuple):
    """Of one step: the share of decided ends that are right; None where none is decided. Or the opinion that it failed."""

    share: float | None
    tokens: int
    failure: Opinion | None = None


def build(config: StepValuesConfig, tools: Tools) -> Asking:
    def look(cases: Sequence[Case], judge: Judge) -> list[Opinion]:
        ends = [step_ends(case.text, config.split) for case in cases]
        begun = [(i, case.text[:end]) for i, case in enumerate(cases) for end in _begun(ends[i], config.most)]
        drawn = judge.params().model_copy(update={"k": config.continuations, "temperature": config.temperature})
        replies = judge.ask([_question(cases[i], start) for i, start in begun], drawn)
        values: list[list[_Value]] = [[] for _ in cases]
        judged = rights(_ends(begun, replies, cases, drawn), bank=tools.bank)
        for (i, _), answers, right in zip(begun, replies, judged, strict=True):
            values[i].append(_value(answers, right, judge.tokens(answers)))
        final = rights([_group(case.prompt, [case.text], drawn) for case in cases], bank=tools.bank)
        return [
            too_many(len(ends[i]), config.most)
            if len(ends[i]) > config.most
            else _opinion([*values[i], _last(final[i])], config)
            for i in range(len(cases))
        ]

    return Asking(config.called, version_of(config, tools), look, tools, config.judge, needs_reference=True)


def _begun(ends: tuple[int, ...], most: int) -> tuple[int, ...]:
    """Where the model goes on: behind every step but the last, whose end is the answer itself."""
    return ends[:-1] if len(ends) <= most else ()


def _question(case: Case, begun: str) -> Question:
    """As the answer was asked for, with its beginning."""
    seen = case.completion.input
    if seen is None or case.completion.negative is not None:
        return Question(case.prompt.messages, case.prompt.images, begun)
    return Question(seen.messages, seen.images, begun)


def _ends(
    begun: Sequence[tuple[int, str]],
    replies: Sequence[tuple[Answer, ...]],
    cases: Sequence[Case],
    drawn: SamplingParams,
) -> list[Group]:
    """The ends that the model came to, for the prompt's own verifiers."""
    return [
        _group(cases[i].prompt, [joined(start, one.text) for one in answers], drawn)
        for (i, start), answers in zip(begun, replies, strict=True)
    ]


def _group(prompt: Prompt, texts: Sequence[str], drawn: SamplingParams) -> Group:
    said = (
        Completion(index=i, text=text, finish_reason="stop", sampling=drawn.record(), n_tokens=0, model="")
        for i, text in enumerate(texts)
    )
    return Group(prompt=prompt, completions=tuple(said))


def _value(answers: Sequence[Answer], right: Sequence[bool | None], tokens: int) -> _Value:
    broken = next((one for one in answers if one.error is not None), None)
    if broken is not None:
        slug = (broken.error or "").partition(":")[0]
        return _Value(None, tokens, Opinion(None, None, slug, tokens=tokens, error=broken.error))
    decided = [one for one in right if one is not None]
    return _Value(sum(decided) / len(decided) if decided else None, tokens)


def _last(right: Sequence[bool | None]) -> _Value:
    return _Value(None if right[0] is None else float(right[0]), 0)


def _opinion(values: Sequence[_Value], config: StepValuesConfig) -> Opinion:
    tokens = sum(one.tokens for one in values)
    broken = next((one.failure for one in values if one.failure is not None), None)
    if broken is not None:
        return broken._replace(tokens=tokens)
    shares = [one.share for one in values if one.share is not None]
    if len(shares) != len(values):
        return Opinion(None, None, UNCHECKED_ENDS, "the prompt's verifiers decide of no end of a step", tokens=tokens)
    return combined(shares, config, tokens)
