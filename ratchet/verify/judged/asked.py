"""What verifiers that ask a model share: one look at each different answer, and opinions that become verdicts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ratchet.generate.engine import Answer
from ratchet.generate.engines.endpoint_reply import is_unicode
from ratchet.generate.engines.given import NOT_UNICODE
from ratchet.recipe.verifiers.judged import JudgedBase
from ratchet.records import Completion, Group, Part, Prompt, Verdict
from ratchet.verify.judges import Judge, Question
from ratchet.verify.judges import prompts as texts
from ratchet.verify.judges.reading import is_one_word, read_yes_no, said
from ratchet.verify.protocol import NO_REFERENCE, Pace, reaches
from ratchet.verify.tools import Tools

PACE = Pace(batch=1024, limited=False)
"""As many at once as the stage has, so that a server is never idle between two calls."""
UNPARSED, CLIPPED, NO_LIKELIHOOD = "unparsed", "clipped", "no_likelihood"
TOO_LONG, EMPTY, REFUSED = "too_long", "empty", "refused"
_DIGITS = 4
"""Of a likelihood: the last bits depend on which questions were answered together."""
_SHOWN = 200
_PART = 80


class Opinion(NamedTuple):
    """What a judge thinks of one answer; `score` None: nothing, and `reason` says why."""

    score: float | None
    passed: bool | None
    reason: str
    detail: str | None = None
    parts: tuple[Part, ...] = ()
    tokens: int = 0
    versus: int | None = None
    error: str | None = None


class Case(NamedTuple):
    """One answer to look at. The completion is the first with this text."""

    prompt: Prompt
    completion: Completion

    @property
    def text(self) -> str:
        return self.completion.text


Look = Callable[[Sequence[Case], Judge], list[Opinion]]


@dataclass(frozen=True)
class Asking:
    """A verifier that looks at one answer at a time: at all of them at once, and at equal ones once."""

    name: str
    version: str
    look: Look
    tools: Tools
    judge: str
    needs_reference: bool = False

    @property
    def pace(self) -> Pace:
        return PACE

    def verify(self, groups: Sequence[Group]) -> list[list[Verdict]]:
        cases = dict(_cases(groups))
        early = {key: why for key, case in cases.items() if (why := self._unfit(case)) is not None}
        left = [key for key in cases if key not in early]
        opinions = dict(early)
        if left:
            judge = self.tools.judge(self.judge)
            opinions |= zip(left, self.look([cases[key] for key in left], judge), strict=True)
        verdicts = {key: verdict_of(self.name, self.version, one) for key, one in opinions.items()}
        return [[verdicts[_key(i, c)] for c in group.completions] for i, group in enumerate(groups)]

    def self_check(self, prompt: Prompt) -> str | None:
        """Only a reference that is needed and missing is seen without asking the judge; `ratchet verify audit` asks it."""
        if self.needs_reference and prompt.reference is None:
            return f"verifier {self.name} shows the judge the reference, and the prompt has none; add one."
        return None

    def _unfit(self, case: Case) -> Opinion | None:
        if self.needs_reference and case.prompt.reference is None:
            return Opinion(None, None, NO_REFERENCE)
        return unfit(case.text)


def unfit(text: str) -> Opinion | None:
    """Why an answer is not shown to a judge; None where it is."""
    if not text.strip():
        return Opinion(None, None, EMPTY, "an empty answer")
    if len(text) > texts.LONGEST:
        return Opinion(None, None, TOO_LONG, f"{len(text)} characters; a judge is shown {texts.LONGEST} at most")
    if not is_unicode(text):
        return Opinion(None, None, REFUSED, NOT_UNICODE)
    return None


def _cases(groups: Sequence[Group]) -> Iterator[tuple[Any, Case]]:
    for i, group in enumerate(groups):
        for completion in reversed(group.completions):
            yield _key(i, completion), Case(group.prompt, completion)


def _key(number: int, completion: Completion) -> Any:
    return number, completion.text, completion.input


def verdict_of(name: str, version: str, one: Opinion) -> Verdict:
    """An opinion as a row."""
    return Verdict(verifier=name, version=version, **one._asdict())


def failed(answer: Answer, tokens: int = 0) -> Opinion:
    """The opinion of a reply that is none: its error, or that it was cut, or cannot be read."""
    if answer.error is not None:
        return Opinion(None, None, answer.error.partition(":")[0], tokens=tokens, error=answer.error)
    if answer.finish_reason == "length":
        return Opinion(None, None, CLIPPED, shown(answer.text), tokens=tokens)
    return Opinion(None, None, UNPARSED, shown(answer.text), tokens=tokens)


class Checked(NamedTuple):
    """A yes or no question's outcome: a score, or the opinion that says why there is none."""

    score: float | None
    tokens: int
    failure: Opinion | None = None


def yes_no(judge: Judge, questions: Sequence[Question], by: str) -> list[Checked]:
    """Ask yes or no questions. By reply a yes is 1 and a no 0; by likelihood, how likely a yes was where one word was said."""
    return [_checked(judge, answers, by) for answers in judge.ask(questions)]


def _checked(judge: Judge, answers: Sequence[Answer], by: str) -> Checked:
    (answer,), tokens = answers, judge.tokens(answers)
    reply = said(answer)
    yes = None if reply is None else read_yes_no(reply)
    if reply is None or yes is None:
        return Checked(None, tokens, failed(answer, tokens))
    if by == "reply":
        return Checked(float(yes), tokens)
    if answer.logprob_sum is None:
        return Checked(
            None, tokens, Opinion(None, None, NO_LIKELIHOOD, "the judge gives no likelihoods", tokens=tokens)
        )
    if not is_one_word(reply):
        return Checked(None, tokens, failed(answer, tokens))
    likely = min(1.0, math.exp(answer.logprob_sum))
    return Checked(round(likely if yes else 1 - likely, _DIGITS), tokens)


def opinion(
    score: float, passes: float, tokens: int, parts: tuple[Part, ...] = (), detail: str | None = None
) -> Opinion:
    """A score as an opinion."""
    passed = reaches(score, passes)
    return Opinion(score, passed, "accepted" if passed else "rejected", detail, parts, tokens)


def question_of(prompt: Prompt) -> str:
    """What was asked: the one question, or the whole conversation where there were more turns. Instructions to the model are
    left out: they say how it answers, and a judge would follow them."""
    turns = [message for message in prompt.messages if message.role != "system"]
    if len(turns) < 2:
        return prompt.question
    return "\n".join(f"{turn.role}: {turn.content}" for turn in turns)


def part(name: str, score: float) -> Part:
    """A named score; long names are cut."""
    return Part(name=" ".join(name.split())[:_PART], score=score)


def shown(text: str) -> str:
    """The beginning of a text, in one line, for a verdict's detail."""
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN else f"{flat[: _SHOWN - 3]}..."


def version_of(config: JudgedBase, tools: Tools, number: int = 1, **templates: str) -> str:
    """Of templates and options as they are, and of the judge who reads them (as configured: no server is asked)."""
    options = config.model_dump(mode="json", exclude={"label", "judge", *templates})
    judge = tools.judge_config(config.judge)
    drawn = {"temperature": judge.temperature, "max_new_tokens": judge.max_new_tokens}
    return texts.version_of(number, templates=templates, options=options, judge=tools.named(config.judge), drawn=drawn)
