"""From answers to outcomes: the verifiers of training say what is right, and counts for the metrics are read off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ratchet.evaluate.outcomes import ModelRole, Outcome
from ratchet.records import Completion, Group, Prompt
from ratchet.verify import VERIFIERS, Judgement, Verifier, apply, judge, parse_objects, yes_no_answer
from ratchet.verify.extract import AMBIGUOUS, UNPARSED
from ratchet.verify.judging import EVERY
from ratchet.verify.rules import caption_objects

YES_NO = "yes_no"
CAPTIONS = {"objects": parse_objects, "caption": caption_objects}
"""How the verifiers of captions read them."""


class _YesNo(NamedTuple):
    yes: bool | None = None
    truth_yes: bool | None = None


class _Objects(NamedTuple):
    mentioned: int | None = None
    hallucinated: int | None = None
    covered: int | None = None
    truth: int | None = None


class _Samples(NamedTuple):
    samples: int = 0
    samples_correct: int = 0
    distinct: int = 0


def score(
    greedy: Sequence[Group],
    sampled: Sequence[Group],
    role: ModelRole,
    timeout_seconds: float = EVERY.timeout_seconds,
    verifiers: Mapping[str, Verifier] = VERIFIERS,
) -> list[Outcome]:
    """Outcomes of greedy answers (one completion a group), with the samples of those prompts that were also sampled.

    Order: that of `greedy`. Raises VerifierError for a verifier that is not known.
    """
    samples = {group.prompt.id: group for group in apply(sampled, None, timeout_seconds, verifiers)}
    return [outcome_of(group, samples, role) for group in apply(greedy, None, timeout_seconds, verifiers)]


def outcome_of(group: Group, samples: Mapping[str, Group], role: ModelRole) -> Outcome:
    """The outcome of one verified group."""
    prompt, answer = group.prompt, group.completions[0]
    judgement = _judged(answer)
    sampled = samples.get(prompt.id)
    return Outcome(
        prompt_id=prompt.id,
        split_key=prompt.split_key,
        skill=prompt.skill,
        role=role,
        text=answer.text,
        correct=judgement.passed,
        score=judgement.score,
        reason=judgement.reason,
        unparsed=any(verdict.reason in (UNPARSED, AMBIGUOUS) for verdict in answer.verdicts),
        clipped=answer.finish_reason == "length",
        difficulty=prompt.difficulty,
        **_yes_no(prompt, answer.text)._asdict(),
        **_objects(prompt, answer.text)._asdict(),
        **(_samples(sampled) if sampled is not None else _Samples())._asdict(),
    )


def _judged(completion: Completion) -> Judgement:
    return judge(completion.verdicts, EVERY)


def _yes_no(prompt: Prompt, text: str) -> _YesNo:
    if YES_NO not in prompt.verifiers or prompt.reference is None:
        return _YesNo()
    return _YesNo(yes_no_answer(text), yes_no_answer(prompt.reference))


def _objects(prompt: Prompt, text: str) -> _Objects:
    """Objects as multisets: a second red circle where there is one is a hallucination. In free text, as sets."""
    read = next((CAPTIONS[name] for name in prompt.verifiers if name in CAPTIONS), None)
    if read is None or prompt.reference is None:
        return _Objects()
    named, truth = read(text), read(prompt.reference)
    return _Objects(named.total(), (named - truth).total(), (named & truth).total(), truth.total())


def _samples(group: Group) -> _Samples:
    """Samples that were scored, how many of them are right, and how many different texts there are."""
    scored = [(c.text, passed) for c in group.completions if (passed := _judged(c).passed) is not None]
    return _Samples(len(scored), sum(passed for _, passed in scored), len({text for text, _ in scored}))
