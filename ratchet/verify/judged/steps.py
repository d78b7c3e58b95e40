"""A process reward: a chain is split into steps, and the judge says of each whether it is right."""

from __future__ import annotations

from collections.abc import Sequence

from ratchet.recipe.verifiers.judged import StepBase, StepsConfig
from ratchet.records import Part
from ratchet.verify.judged.asked import Asking, Case, Checked, Opinion, opinion, part, question_of, version_of, yes_no
from ratchet.verify.judges import Judge, Question
from ratchet.verify.judges.prompts import asking, template_of
from ratchet.verify.judges.reading import step_ends
from ratchet.verify.tools import Tools

TOO_MANY = "too_many_steps"


def build(config: StepsConfig, tools: Tools) -> Asking:
    template = template_of(config.template, "step")

    def look(cases: Sequence[Case], judge: Judge) -> list[Opinion]:
        ends = [step_ends(case.text, config.split) for case in cases]
        asked = [(i, number) for i, one in enumerate(ends) if len(one) <= config.most for number in range(len(one))]
        questions = [_question(template, cases[i], ends[i], number) for i, number in asked]
        checked: list[list[Checked]] = [[] for _ in cases]
        for (i, _), one in zip(asked, yes_no(judge, questions, config.by), strict=True):
            checked[i].append(one)
        return [_opinion(one, config) if one else too_many(len(ends[i]), config.most) for i, one in enumerate(checked)]

    return Asking(config.called, version_of(config, tools, template=template), look, tools, config.judge)


def _question(template: str, case: Case, ends: tuple[int, ...], number: int) -> Question:
    start = ends[number - 1] if number else 0
    values = {"before": case.text[:start], "step": case.text[start : ends[number]].strip()}
    return Question.of(asking(template, values | {"question": question_of(case.prompt)}), case.prompt.images)


def _opinion(checked: Sequence[Checked], config: StepBase) -> Opinion:
    tokens = sum(one.tokens for one in checked)
    broken = next((one.failure for one in checked if one.failure is not None), None)
    if broken is not None:
        return broken._replace(tokens=tokens)
    return combined([one.score or 0.0 for one in checked], config, tokens)


def combined(scores: Sequence[float], config: StepBase, tokens: int) -> Opinion:
    """The steps' scores as one."""
    one = {"min": min(scores), "last": scores[-1], "mean": sum(scores) / len(scores)}[config.combine]
    parts: tuple[Part, ...] = tuple(part(f"step {number}", score) for number, score in enumerate(scores, 1))
    return opinion(one, config.passes, tokens, parts)


def too_many(steps: int, most: int) -> Opinion:
    """A chain that nobody looks at."""
    return Opinion(None, None, TOO_MANY, f"{steps} steps; verify.verifiers has most {most}")
