"""Divide and conquer (RLAIF-V, arXiv 2405.17220): claims, yes or no questions about them, and one score of all."""

from __future__ import annotations

from collections.abc import Sequence

from ratchet.recipe.verifiers.judged import ClaimsConfig
from ratchet.verify.extract import answers as marked
from ratchet.verify.judged.asked import (
    Asking,
    Case,
    Checked,
    Opinion,
    failed,
    opinion,
    part,
    question_of,
    version_of,
    yes_no,
)
from ratchet.verify.judges import Judge, Question
from ratchet.verify.judges.prompts import asking, template_of
from ratchet.verify.judges.reading import read_claims, said
from ratchet.verify.text import items
from ratchet.verify.tools import Tools

NO_CLAIMS, TOO_MANY = "no_claims", "too_many_claims"
Split = tuple[str, ...] | Opinion


def build(config: ClaimsConfig, tools: Tools) -> Asking:
    listed = config.splitter == "list"
    template = template_of(config.template, "claim_item" if listed else "claim")
    split = "" if listed else template_of(config.split, "split")

    def look(cases: Sequence[Case], judge: Judge) -> list[Opinion]:
        found = [_by_rule(case.text) for case in cases] if listed else _by_model(cases, judge, split)
        fit = [_fit(claims, tokens, config.most) for claims, tokens in found]
        asked = [(i, claim) for i, one in enumerate(fit) if not isinstance(one, Opinion) for claim in one]
        questions = [
            Question.of(
                asking(template, {"claim": claim, "question": question_of(cases[i].prompt)}), cases[i].prompt.images
            )
            for i, claim in asked
        ]
        checked: list[list[Checked]] = [[] for _ in cases]
        for (i, _), one in zip(asked, yes_no(judge, questions, config.by), strict=True):
            checked[i].append(one)
        return [
            one if isinstance(one, Opinion) else _combined(one, checked[i], config, found[i][1])
            for i, one in enumerate(fit)
        ]

    return Asking(config.called, version_of(config, tools, template=template, split=split), look, tools, config.judge)


def _by_rule(text: str) -> tuple[Split, int]:
    """What commas separate, in the part of the answer that is marked as such if there is one."""
    return tuple(dict.fromkeys(item for said_ in marked(text) for item in items(said_))), 0


def _by_model(cases: Sequence[Case], judge: Judge, split: str) -> list[tuple[Split, int]]:
    """The claims that the judge finds in the text, and what it took: it is shown no picture, so that it adds nothing."""
    values = [{"answer": case.text, "question": question_of(case.prompt)} for case in cases]
    found: list[tuple[Split, int]] = []
    for answers in judge.ask([Question.of(asking(split, one)) for one in values]):
        tokens = judge.tokens(answers)
        reply = said(answers[0])
        claims = None if reply is None else read_claims(reply)
        found.append((failed(answers[0], tokens) if claims is None else claims, tokens))
    return found


def _fit(claims: Split, tokens: int, most: int) -> Split:
    if isinstance(claims, Opinion):
        return claims
    if not claims:
        return Opinion(None, None, NO_CLAIMS, tokens=tokens)
    if len(claims) > most:
        return Opinion(None, None, TOO_MANY, f"{len(claims)} claims; verify.verifiers has most {most}", tokens=tokens)
    return claims


def _combined(claims: Sequence[str], checked: Sequence[Checked], config: ClaimsConfig, tokens: int) -> Opinion:
    tokens += sum(one.tokens for one in checked)
    scores = [one.score for one in checked if one.score is not None]
    parts = tuple(part(c, one.score) for c, one in zip(claims, checked, strict=True) if one.score is not None)
    broken = next((one.failure for one in checked if one.failure is not None), None)
    if broken is not None:
        return broken._replace(parts=parts, tokens=tokens)
    score = min(scores) if config.combine == "min" else sum(scores) / len(scores)
    return opinion(score, config.passes, tokens, parts)
