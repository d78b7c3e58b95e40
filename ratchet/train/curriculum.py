"""Which rows an epoch sees, how often and in which order: pure functions of what is known of the rows, a seed and the epoch.

A training that goes on from a checkpoint, and every process of one that has several, thus makes the same order by itself.

Growth: a prompt is taken in the rounds whose share is above u(prompt) = SHA-256 as a number in 0..1, so that a later round
takes all that an earlier one took of the same prompts.

Re-balancing: a row of a cell of n rows comes v = N n^-power / sum_k n_k^(1-power) times an epoch of N rows (exponentially smoothed
sampling, as of languages in arXiv 1911.02116, here of skills or of pass rates; arXiv 2510.26474 re-balances head and tail
between rounds). Draws are systematic: each row comes floor(v) or ceil(v) times, v times on average over epochs.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ratchet.recipe import VerifyConfig
from ratchet.recipe.training.curriculum import CurriculumConfig, GrowthConfig
from ratchet.records import Group, content_id, prompt_id
from ratchet.train.report import Intake, Seen
from ratchet.verify.policy import judge

UNKNOWN = "unknown"
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a row's group. `pass_rate` is of the model's own attempts, None where nothing judged them; `replayed` is
    the round that the group comes from, None for this one."""

    prompt_id: str
    skill: str
    pass_rate: float | None
    pictures: int
    replayed: int | None = None


def facts_of(group: Group, verify: VerifyConfig) -> Facts:
    """The facts of a group's rows; its pass rate as the filter sees it."""
    judged = [judge(one.verdicts, verify).passed for one in group.completions if one.honest]
    decided = [passed for passed in judged if passed is not None]
    rate = sum(decided) / len(decided) if decided and verify.policy != "none" else None
    return Facts(group.prompt.id, group.prompt.skill, rate, len(group.prompt.images), group.replayed)


class Known:
    """The facts of all groups that pass by, to be found again by what their rows ask: the prompt as it is stored, or as it was
    shown to a completion."""

    def __init__(self, verify: VerifyConfig) -> None:
        self._verify = verify
        self._facts: dict[str, Facts] = {}

    def noting(self, groups: Iterable[Group]) -> Iterator[Group]:
        """The groups themselves."""
        for group in groups:
            facts, prompt = facts_of(group, self._verify), group.prompt
            self._facts[prompt_id(prompt.messages, prompt.images)] = facts
            for one in group.completions:
                if one.input is not None:
                    self._facts.setdefault(prompt_id(one.input.messages, one.input.images), facts)
            yield group

    def of(self, row: Mapping[str, Any]) -> Facts:
        """Of a row whose pictures are not joined yet."""
        asked = [[turn["role"], turn["content"]] for turn in row["prompt"]]
        return self._facts[content_id(asked, row["images"])]


def grown(facts: Sequence[Facts], growth: GrowthConfig | None, number: int) -> list[int]:
    """Places of the rows that round `number` learns from."""
    if growth is None:
        return list(range(len(facts)))
    share = growth.share(number)
    return [place for place, one in enumerate(facts) if share == 1.0 or _draw(one.prompt_id) < share]


def _draw(prompt_id: str) -> float:
    return int.from_bytes(hashlib.sha256(f"growth:{prompt_id}".encode()).digest()[:6], "big") / 2**48


def band(rate: float | None, bands: int) -> int:
    """Number of a pass rate's band, from 0 for the lowest; `bands` for one that is not known."""
    return bands if rate is None else min(int(rate * bands), bands - 1)


def band_name(number: int, bands: int) -> str:
    """Such as 0.2-0.4; the lower bound belongs to a band, the upper to the next, except at 1."""
    return UNKNOWN if number == bands else f"{number / bands:.2g}-{(number + 1) / bands:.2g}"


def expected_visits(cells: Sequence[str], power: float) -> npt.NDArray[np.float64]:
    """How often each row comes in an epoch, on average; the sum is the number of rows."""
    counts = Counter(cells)
    weights = np.array([counts[cell] ** -power for cell in cells])
    return np.asarray(weights * (len(cells) / weights.sum()))


@dataclass(frozen=True)
class RowOrder:
    """The rows of every epoch. `facts` are those of the rows that are trained on, in their order; `left_out` counts the rows
    that growth keeps for later rounds."""

    facts: tuple[Facts, ...]
    seed: int
    config: CurriculumConfig
    left_out: int = 0

    def epoch(self, number: int, multiple: int = 1) -> list[int]:
        """Places of the rows that epoch `number` (from 0 on) sees, in order: so many that they are a multiple of `multiple`.

        What is over is drawn, not taken from the end, where an order would have its hardest rows.
        """
        draws = np.random.default_rng([self.seed, number])
        rows: Numbers = draws.permutation(len(self.facts))
        if self._expected is not None:
            rows = draws.permutation(rows[_systematic(self._expected[rows], float(draws.random()))])
        rows = rows[: len(rows) // multiple * multiple]
        ordered: list[int] = rows[np.argsort(self._ranks[rows], kind="stable")].tolist()
        return ordered

    def seen(self, visits: int, multiple: int = 1) -> Counter[int]:
        """How often each row was seen after `visits` rows, where epochs have a multiple of `multiple` rows."""
        found: Counter[int] = Counter()
        number = 0
        while visits > 0:
            rows = self.epoch(number, multiple)[:visits]
            if not rows:
                break
            found.update(rows)
            visits -= len(rows)
            number += 1
        return found

    @cached_property
    def _ranks(self) -> Numbers:
        keys = [self._key(one) for one in self.facts]
        place = {key: rank for rank, key in enumerate(sorted(set(keys)))}
        return np.array([place[key] for key in keys], dtype=np.int64)

    @cached_property
    def _expected(self) -> npt.NDArray[np.float64] | None:
        if self.config.balance == "none":
            return None
        by_skill = self.config.balance == "skill"
        cells = [one.skill if by_skill else self.band_of(one) for one in self.facts]
        return expected_visits(cells, self.config.balance_power)

    def band_of(self, facts: Facts) -> str:
        return band_name(band(facts.pass_rate, self.config.bands), self.config.bands)

    def _key(self, facts: Facts) -> tuple[int, int, int]:
        config = self.config
        modality = "one_picture" if facts.pictures == 1 else "many_pictures"
        found = band(facts.pass_rate, config.bands)
        if config.order == "easy_first" and found < config.bands:
            found = config.bands - 1 - found
        difficulty = 0 if config.order == "shuffled" else found
        return _place(modality, config.modalities), _place(facts.skill, config.skills), difficulty


def _place(name: str, listed: Sequence[str] | None) -> int:
    if listed is None:
        return 0
    return listed.index(name) if name in listed else len(listed)


def _systematic(expected: npt.NDArray[np.float64], start: float) -> Numbers:
    """Places drawn floor or ceil of `expected` times, in order, as many as `expected` sums to; `start` is in 0..1."""
    ends = np.cumsum(expected)
    total = round(float(ends[-1]))
    # What rounding left over or under must not lose the last draw.
    ends[-1] = total
    points = start + np.arange(total)
    return np.minimum(np.searchsorted(ends, points, side="right"), len(expected) - 1)


def intake(order: RowOrder, seen: Mapping[int, int]) -> Intake:
    """What `seen` (visits by row) amounts to."""
    return Intake(
        left_out=order.left_out,
        replayed=sum(one.replayed is not None for one in order.facts),
        skills=_by((one.skill for one in order.facts), seen),
        bands=_by((order.band_of(one) for one in order.facts), seen),
    )


def _by(names: Iterable[str], seen: Mapping[int, int]) -> dict[str, Seen]:
    rows: Counter[str] = Counter()
    visits: Counter[str] = Counter()
    for place, name in enumerate(names):
        rows[name] += 1
        visits[name] += seen.get(place, 0)
    return {name: Seen(rows=rows[name], visits=visits[name]) for name in sorted(rows)}
