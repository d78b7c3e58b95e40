"""The temperature of a round, by Reward-Pass@2 on a probe (M-STAR, arXiv 2412.17451, section on its dynamics).

    Reward-Pass@2(T) = share of prompts with a right answer among the two best of k different answers sampled at T

It falls where answers are too alike (nothing else to choose from) and where they are too wild (the reward does not find
the right one). M-STAR ranks by a trained process reward model; here the model's own likelihood or votes stand in for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ratchet.generate.engine import sample
from ratchet.generate.probe import Probed, answered, check, verdict
from ratchet.generate.ranking import By, ranked
from ratchet.generate.strategies import Tools
from ratchet.progress import Progress
from ratchet.recipe import TuneConfig
from ratchet.recipe.strategies import RandomConfig
from ratchet.records import Group, Prompt, Record

TOP = 2


class CurvePoint(Record):
    """Reward-Pass@2 at a temperature: a share of `prompts` that were answered and judged, with its binomial standard
    error."""

    temperature: float
    pass_at_2: float
    se: float
    prompts: int


def measured(
    prompts: Sequence[Prompt], config: TuneConfig, tools: Tools, progress: Progress
) -> tuple[tuple[CurvePoint, ...], Probed]:
    """The curve over the temperatures, in their order from low to high. Raises SamplingError (see `check`)."""
    curve, went = [], Probed(name="tune", asked=0)
    temperatures = sorted(config.temperatures)
    for number, temperature in enumerate(temperatures):
        progress(number * len(prompts), len(temperatures) * len(prompts), "probe prompts")
        seed = tools.drawn("tune", f"{temperature:g}")
        params = tools.params(RandomConfig(), k=config.k, temperature=temperature, seed=seed)
        groups = list(sample(tools.engine, prompts, params))
        right, one = _judged(groups, config.reward, tools)
        check(one, tools.config.max_error_share)
        curve.append(point(temperature, right, one.asked - one.unanswered - one.unscored))
        went = Probed(
            name="tune",
            asked=went.asked + one.asked,
            unanswered=went.unanswered + one.unanswered,
            unscored=went.unscored + one.unscored,
        )
    return tuple(curve), went


def point(temperature: float, right: int, prompts: int) -> CurvePoint:
    """`right` of `prompts`, with sqrt(p (1 - p) / n)."""
    share = right / prompts
    return CurvePoint(
        temperature=temperature, pass_at_2=share, se=math.sqrt(share * (1 - share) / prompts), prompts=prompts
    )


def best(curve: Sequence[CurvePoint]) -> float:
    """The temperature with the highest Reward-Pass@2; of equals the lowest, whose answers are the surest."""
    return max(curve, key=lambda p: (p.pass_at_2, -p.temperature)).temperature


def _judged(groups: Sequence[Group], reward: By, tools: Tools) -> tuple[int, Probed]:
    """How many have a right answer among their two best, and how many could not tell."""
    there = [_top(group, reward) for group in answered(groups)]
    verdicts = [verdict(rights) for rights in tools.rights(there)]
    went = Probed(name="tune", asked=len(groups), unanswered=len(groups) - len(there), unscored=verdicts.count(None))
    return verdicts.count(True), went


def _top(group: Group, reward: By) -> Group:
    best_two = ranked(group.completions, reward)[:TOP]
    return group.model_copy(update={"completions": tuple(group.completions[one.place] for one in best_two)})
