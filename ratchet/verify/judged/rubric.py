"""One answer against criteria: the judge scores each on a scale, and their weighted mean is the score."""

from __future__ import annotations

from collections.abc import Sequence

from ratchet.generate.engine import Answer
from ratchet.recipe.strategies.templates import fields
from ratchet.recipe.verifiers.judged import RubricConfig, ScaleBase
from ratchet.verify.judged.asked import Asking, Case, Opinion, failed, opinion, part, question_of, version_of
from ratchet.verify.judges import Judge, Question
from ratchet.verify.judges.prompts import asking, template_of
from ratchet.verify.judges.reading import read_scores, said
from ratchet.verify.tools import Tools


def build(config: RubricConfig, tools: Tools) -> Asking:
    template = template_of(config.template, "rubric")

    def look(cases: Sequence[Case], judge: Judge) -> list[Opinion]:
        replies = judge.ask(
            [Question.of(asking(template, _values(case, config)), case.prompt.images) for case in cases]
        )
        return [scored(answers, config, config.criteria, judge.tokens(answers)) for answers in replies]

    version = version_of(config, tools, template=template)
    return Asking(config.called, version, look, tools, config.judge, "reference" in fields(template))


def _values(case: Case, config: RubricConfig) -> dict[str, str]:
    values = {"question": question_of(case.prompt), "answer": case.text, "reference": case.prompt.reference or ""}
    return values | scale(config, config.criteria)


def scale(config: ScaleBase, criteria: dict[str, float]) -> dict[str, str]:
    """What a template says of criteria and scale."""
    return {"criteria": ", ".join(criteria), "lowest": str(config.lowest), "highest": str(config.highest)}


def scored(
    answers: Sequence[Answer], config: ScaleBase, criteria: dict[str, float], tokens: int, detail: str | None = None
) -> Opinion:
    """The weighted mean of the scores that a reply gives, 0 at the scale's lowest and 1 at its highest."""
    (answer,) = answers
    reply = said(answer)
    found = None if reply is None else read_scores(reply, list(criteria), config.lowest, config.highest)
    if found is None:
        return failed(answer, tokens)
    width = config.highest - config.lowest
    shares = {name: (value - config.lowest) / width for name, value in found.items()}
    mean = sum(shares[name] * weight for name, weight in criteria.items()) / sum(criteria.values())
    return opinion(min(1.0, mean), config.passes, tokens, tuple(part(n, s) for n, s in shares.items()), detail)
