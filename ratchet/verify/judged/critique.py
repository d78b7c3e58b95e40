"""A critique of the answer, and scores with the critique in view."""

from __future__ import annotations

from collections.abc import Sequence

from ratchet.recipe.verifiers.judged import CritiqueConfig
from ratchet.verify.judged.asked import Asking, Case, Opinion, failed, question_of, shown, version_of
from ratchet.verify.judged.rubric import scale, scored
from ratchet.verify.judges import Judge, Question
from ratchet.verify.judges.prompts import asking, template_of
from ratchet.verify.judges.reading import said
from ratchet.verify.tools import Tools


def build(config: CritiqueConfig, tools: Tools) -> Asking:
    first, second = template_of(config.critique, "critique"), template_of(config.template, "critique_score")

    def look(cases: Sequence[Case], judge: Judge) -> list[Opinion]:
        values = [_values(case, config) for case in cases]
        critiques = judge.ask([_question(first, v, case) for v, case in zip(values, cases, strict=True)])
        said_ = [said(answers[0]) for answers in critiques]
        able = [i for i, critique in enumerate(said_) if critique]
        asked = [_question(second, values[i] | {"critique": said_[i] or ""}, cases[i]) for i in able]
        replies = dict(zip(able, judge.ask(asked), strict=True))
        return [
            scored(
                replies[i],
                config,
                config.criteria,
                judge.tokens(critiques[i]) + judge.tokens(replies[i]),
                shown(said_[i] or ""),
            )
            if i in replies
            else failed(critiques[i][0], judge.tokens(critiques[i]))
            for i in range(len(cases))
        ]

    return Asking(config.called, version_of(config, tools, critique=first, template=second), look, tools, config.judge)


def _question(template: str, values: dict[str, str], case: Case) -> Question:
    return Question.of(asking(template, values), case.prompt.images)


def _values(case: Case, config: CritiqueConfig) -> dict[str, str]:
    return {"question": question_of(case.prompt), "answer": case.text} | scale(config, config.criteria)
