"""Answer, then check: the answer is shown again, or its question asked again in other words."""

from __future__ import annotations

from collections.abc import Sequence

from ratchet.generate.engine import Answer
from ratchet.recipe.verifiers.judged import SelfCheckConfig
from ratchet.verify.extract import answers as marked
from ratchet.verify.judged.asked import Asking, Case, Opinion, failed, opinion, question_of, shown, version_of, yes_no
from ratchet.verify.judges import Judge, Question
from ratchet.verify.judges.prompts import asking, template_of
from ratchet.verify.judges.reading import said
from ratchet.verify.text import normalise
from ratchet.verify.tools import Tools


def build(config: SelfCheckConfig, tools: Tools) -> Asking:
    template = template_of(config.template, "self_check")

    def look(cases: Sequence[Case], judge: Judge) -> list[Opinion]:
        questions = [
            Question.of(
                asking(template, {"question": question_of(case.prompt), "answer": case.text}), case.prompt.images
            )
            for case in cases
        ]
        if config.expects == "answer":
            replies = judge.ask(questions)
            return [_same(c, a, config.passes, judge.tokens(a)) for c, a in zip(cases, replies, strict=True)]
        return [
            one.failure or opinion(one.score or 0.0, config.passes, one.tokens)
            for one in yes_no(judge, questions, config.by)
        ]

    return Asking(config.called, version_of(config, tools, template=template), look, tools, config.judge)


def _same(case: Case, answers: Sequence[Answer], passes: float, tokens: int) -> Opinion:
    """Whether the reply says what the answer says, both in their normal form and from their marked part."""
    reply = said(answers[0])
    if not reply:
        return failed(answers[0], tokens)
    ours, theirs = _normal(case.text), _normal(reply)
    if not ours or not theirs:
        return failed(answers[0], tokens)
    return opinion(float(ours == theirs), passes, tokens, detail=None if ours == theirs else shown(reply))


def _normal(text: str) -> tuple[str, ...]:
    return tuple(one for one in map(normalise, marked(text)) if one)
