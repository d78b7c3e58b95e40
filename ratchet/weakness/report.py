"""The report on a model's weaknesses, and the tally that makes it from greedy answers to validation prompts.

A slice is what the model answered of one skill, cell, kind of question or verifier. Its error is the share of wrong answers
among those that a verifier could judge, with a 95% interval in which prompts that share a split_key are one cluster.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from ratchet.artifacts.manifest import ModelRef
from ratchet.generate.choosing import Cell, band_of
from ratchet.records import Prompt, Record
from ratchet.statistics import clustered_share
from ratchet.verify.text import normalise
from ratchet.weakness.kinds import kind_of

DIGITS = 6
"""Decimals that are stored: the same report bit for bit in whatever order the answers came."""
LONGEST = 40
"""Characters of a reference that can be confused with another: a caption is not."""
MOST_PAIRS = 30
NO_VERIFIER = "none"


class Slice(Record):
    """Answers of one part: `n` judged, of them `right`; `unscored` more could not be judged. `error` is None of none."""

    name: str
    band: int | None = None
    n: int
    right: int
    unscored: int
    clusters: int
    error: float | None
    low: float
    high: float

    @property
    def cell(self) -> Cell:
        return (self.name, self.band)


class Confusion(Record):
    """`n` times `said` where `reference` was right, which is `share` of the `of` judged answers to it in this skill."""

    skill: str
    reference: str
    said: str
    n: int
    of: int
    share: float
    low: float
    high: float


class Weakness(Record):
    """What one model gets wrong on the validation split of a prompt set (its digest in `prompts`).

    `cells` are skills by difficulty band; what weighs a round's prompts rests on them. `unanswered` prompts got no answer at
    all: they are neither right nor wrong.
    """

    version: Literal[1] = 1
    model: ModelRef
    prompts: str
    split: Literal["validation"] = "validation"
    bands: int
    asked: int
    unanswered: int
    overall: Slice
    skills: tuple[Slice, ...]
    cells: tuple[Slice, ...]
    kinds: tuple[Slice, ...]
    verifiers: tuple[Slice, ...]
    confusions: tuple[Confusion, ...]


class _Answer(NamedTuple):
    skill: str
    band: int | None
    kind: str
    verifiers: tuple[str, ...]
    cluster: str
    right: bool | None
    reference: str | None
    said: str


class Tally:
    """Answers, one after the other, and the report over them. The rows of a prompt set are never held: only what counts."""

    def __init__(self, bands: int) -> None:
        self.bands = bands
        self.asked = 0
        self.unanswered = 0
        self._answers: list[_Answer] = []

    def add(self, prompt: Prompt, said: str, right: bool | None) -> None:
        """One greedy answer; `right` is None where no verifier could tell."""
        reference = normalise(prompt.reference) if prompt.reference is not None else None
        short = reference is not None and len(reference) <= LONGEST
        self._answers.append(
            _Answer(
                prompt.skill,
                band_of(prompt.difficulty, self.bands),
                kind_of(prompt),
                prompt.verifiers or (NO_VERIFIER,),
                prompt.split_key,
                right,
                reference if short else None,
                normalise(said)[:LONGEST] if short else "",
            )
        )

    @property
    def answers(self) -> int:
        return len(self._answers)

    @property
    def unscored(self) -> int:
        return sum(one.right is None for one in self._answers)

    def report(self, model: ModelRef, prompts: str) -> Weakness:
        """What was counted so far, of `model` on the validation split of the set with the digest `prompts`."""
        answers = self._answers
        return Weakness(
            model=model,
            prompts=prompts,
            bands=self.bands,
            asked=self.asked,
            unanswered=self.unanswered,
            overall=_slice("all", None, answers),
            skills=_sliced(answers, lambda one: [(one.skill, None)]),
            cells=_sliced(answers, lambda one: [(one.skill, one.band)]),
            kinds=_sliced(answers, lambda one: [(one.kind, None)]),
            verifiers=_sliced(answers, lambda one: [(name, None) for name in one.verifiers]),
            confusions=tuple(_confusions(answers)),
        )


def order(cell: Cell) -> tuple[str, int]:
    """Cells by skill, then from easy to hard; what names no difficulty comes first."""
    return (cell[0], -1 if cell[1] is None else cell[1])


def _sliced(answers: Iterable[_Answer], cells: Callable[[_Answer], Sequence[Cell]]) -> tuple[Slice, ...]:
    found: dict[Cell, list[_Answer]] = defaultdict(list)
    for one in answers:
        for cell in cells(one):
            found[cell].append(one)
    return tuple(_slice(*cell, found[cell]) for cell in sorted(found, key=order))


def _slice(name: str, band: int | None, answers: Sequence[_Answer]) -> Slice:
    judged = [one for one in answers if one.right is not None]
    wrong = [not one.right for one in judged]
    low, high = clustered_share(wrong, [one.cluster for one in judged])
    return Slice(
        name=name,
        band=band,
        n=len(judged),
        right=len(judged) - sum(wrong),
        unscored=len(answers) - len(judged),
        clusters=len({one.cluster for one in judged}),
        error=round(sum(wrong) / len(judged), DIGITS) if judged else None,
        low=round(low, DIGITS),
        high=round(high, DIGITS),
    )


def _confusions(answers: Iterable[_Answer]) -> Iterable[Confusion]:
    """The most frequent wrong answers by skill and reference."""
    judged = [one for one in answers if one.right is not None and one.reference is not None]
    by_truth: Mapping[Hashable, list[_Answer]] = _grouped(judged)
    pairs = Counter((one.skill, one.reference or "", one.said) for one in judged if not one.right)
    ranked = sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))
    for (skill, reference, said), n in ranked[:MOST_PAIRS]:
        asked = by_truth[skill, reference]
        hits = [not one.right and one.said == said for one in asked]
        low, high = clustered_share(hits, [one.cluster for one in asked])
        yield Confusion(
            skill=skill,
            reference=reference,
            said=said,
            n=n,
            of=len(asked),
            share=round(n / len(asked), DIGITS),
            low=round(low, DIGITS),
            high=round(high, DIGITS),
        )


def _grouped(judged: Iterable[_Answer]) -> dict[Hashable, list[_Answer]]:
    found: dict[Hashable, list[_Answer]] = defaultdict(list)
    for one in judged:
        found[one.skill, one.reference].append(one)
    return found
