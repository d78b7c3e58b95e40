"""How much of each skill and difficulty band a round takes, from what the seed gets wrong on a probe (after DPE).

    overall   = (all wrong + 1/2) / (all probed + 1)
    rate(c)   = (wrong + 8 overall) / (probed + 8)    as if 8 prompts more had been probed, wrong at the overall rate
    pull(c)   = rate(c) ** strength
    weight(c) = max(pull(c), max over all d of pull(d) / cap), divided by the mean over the probed prompts

A weight is against the cell's share of the pool, 1 on average. No cell's share falls below its pool share / cap: that is
what keeps a skill that was learned from being forgotten over rounds (head against tail). The 8 are empirical Bayes with a
fixed strength: a single wrong answer says little of its cell, forty say what they are.

What was found is a report for people too (`ratchet.weakness`), and an earlier round's report can stand in for the probe.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ratchet.generate.choosing import Cell
from ratchet.generate.engine import sample
from ratchet.generate.probe import Probed, answered, check, verdict
from ratchet.generate.resuming import chunks
from ratchet.generate.strategies import Tools
from ratchet.progress import Progress
from ratchet.recipe import WeaknessConfig
from ratchet.recipe.strategies import RandomConfig
from ratchet.records import Group, Prompt, Record
from ratchet.weakness.report import Tally, Weakness, order

PRIOR = 8.0
"""Prompts' worth of the overall error rate that each cell's own rate is shrunk by."""


class CellRate(Record):
    """What the probe found in a skill and difficulty band (None: prompts that name no difficulty), and what it weighs."""

    skill: str
    band: int | None
    probed: int
    right: int
    rate: float
    weight: float

    @property
    def cell(self) -> Cell:
        return (self.skill, self.band)


def measured(
    prompts: Iterable[Prompt], asked: int, config: WeaknessConfig, tools: Tools, progress: Progress
) -> tuple[Tally, Probed]:
    """Greedy answers to the prompts, judged. `asked` is how many there are.

    Raises SamplingError (see `check`).
    """
    params = tools.params(RandomConfig(), k=1, temperature=0.0)
    tally = Tally(config.bands)
    for part in chunks(prompts, tools.config.rows_per_file):
        progress(tally.asked, asked, "probe prompts")
        there = answered(list(sample(tools.engine, part, params)))
        for group, passed in zip(there, _verdicts(there, tools), strict=True):
            tally.add(group.prompt, group.completions[0].text, passed)
        tally.asked += len(part)
        tally.unanswered += len(part) - len(there)
    went = Probed(name="weakness", asked=tally.asked, unanswered=tally.unanswered, unscored=tally.unscored)
    check(went, tools.config.max_error_share)
    return tally, went


def weights(found: Weakness, config: WeaknessConfig) -> tuple[CellRate, ...]:
    """What each cell of a report weighs; a cell without a judged answer is as one that nobody asked."""
    judged = [one for one in found.cells if one.n]
    return weighed({one.cell: one.n for one in judged}, {one.cell: one.right for one in judged}, config)


def weighed(probed: Mapping[Cell, int], right: Mapping[Cell, int], config: WeaknessConfig) -> tuple[CellRate, ...]:
    """Cells with their error rates and weights, sorted by skill and band."""
    rates = _error_rates(probed, right)
    pulls = {cell: rate**config.strength for cell, rate in rates.items()}
    least = max(pulls.values()) / config.cap
    lifted = {cell: max(pull, least) for cell, pull in pulls.items()}
    mean = sum(lifted[cell] * n for cell, n in probed.items()) / sum(probed.values())
    return tuple(
        CellRate(
            skill=cell[0],
            band=cell[1],
            probed=probed[cell],
            right=right[cell],
            rate=rates[cell],
            weight=lifted[cell] / mean,
        )
        for cell in sorted(probed, key=order)
    )


def _error_rates(probed: Mapping[Cell, int], right: Mapping[Cell, int]) -> dict[Cell, float]:
    """Shrunken shares of wrong answers, all within 0..1 and none 0."""
    asked = sum(probed.values())
    overall = (asked - sum(right[cell] for cell in probed) + 0.5) / (asked + 1)
    return {cell: (n - right[cell] + PRIOR * overall) / (n + PRIOR) for cell, n in probed.items()}


def _verdicts(groups: Sequence[Group], tools: Tools) -> list[bool | None]:
    return [verdict(rights) for rights in tools.rights(groups)]
