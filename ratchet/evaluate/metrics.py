"""Metrics over outcomes: pure functions. Shares are 0..1; what is not defined (0 of 0) is None.

Unscored items count in no accuracy and are reported. Intervals are 95%.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, get_args

from ratchet.evaluate import intervals
from ratchet.evaluate.counts import DIGITS, YesNoCounts, share
from ratchet.evaluate.outcomes import ModelRole, Outcome
from ratchet.records import Record
from ratchet.statistics import Delta, paired_delta, paired_ratio_delta, pass_at_k_unbiased, share_interval

ROLES: tuple[ModelRole, ...] = get_args(ModelRole)


class Accuracy(Record):
    """Share of scored items that are right, with Wilson's interval: by cluster where items share a split_key."""

    items: int
    scored: int
    unscored: int
    accuracy: float | None
    low: float
    high: float


class YesNo(Record):
    """Yes/no questions, as POPE counts them: yes is the positive class, an unreadable answer is wrong.

    `yes_ratio` is the share of yes among the readable answers, `true_yes_ratio` among the references.
    """

    items: int
    unparsed: int
    accuracy: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    yes_ratio: float | None
    true_yes_ratio: float | None


class Chair(Record):
    """Captions. chair_i: hallucinated share of mentioned objects; chair_s: share of captions with any hallucination;
    cover: share of the truth that is mentioned."""

    captions: int
    mentioned: int
    hallucinated: int
    chair_i: float | None
    chair_s: float | None
    cover: float | None


class Sampled(Record):
    """Prompts sampled k times: chance that one of k is right with its interval, mean share right, mean number of distinct answers.

    `at` has the chance for 1, 2, 4, ... and k of these samples, each estimated without bias.
    """

    k: int
    prompts: int
    pass_at_k: float | None
    low: float = 0.0
    high: float = 1.0
    at: dict[str, float | None] = {}
    mean_correct: float | None
    distinct: float | None


def accuracy(outcomes: Iterable[Outcome]) -> Accuracy:
    """Accuracy of the greedy answers."""
    marks = [(outcome.correct, outcome.split_key) for outcome in outcomes]
    scored = [mark for mark, _ in marks if mark is not None]
    low, high = share_interval(scored, [key for mark, key in marks if mark is not None])
    return Accuracy(
        items=len(marks),
        scored=len(scored),
        unscored=len(marks) - len(scored),
        accuracy=share(sum(scored), len(scored)),
        low=round(low, DIGITS),
        high=round(high, DIGITS),
    )


def yes_no(outcomes: Iterable[Outcome]) -> YesNo | None:
    """The yes/no questions; None where there are none."""
    pairs = [(o.yes, o.truth_yes) for o in outcomes if o.truth_yes is not None]
    if not pairs:
        return None
    counts = YesNoCounts()
    for said, true in pairs:
        counts.add(_word(said), _word(true))
    return YesNo.model_validate({**counts.figures(), "unparsed": counts.items - counts.parsed})


def _word(said: bool | None) -> str | None:
    return None if said is None else "yes" if said else "no"


def chair(outcomes: Iterable[Outcome]) -> Chair | None:
    """The captions; None where there are none."""
    counts = [
        (o.mentioned, o.hallucinated or 0, o.covered or 0, o.truth or 0) for o in outcomes if o.mentioned is not None
    ]
    if not counts:
        return None
    mentioned, hallucinated, covered, truth = (sum(column) for column in zip(*counts, strict=True))
    return Chair(
        captions=len(counts),
        mentioned=mentioned,
        hallucinated=hallucinated,
        chair_i=share(hallucinated, mentioned),
        chair_s=share(sum(wrong > 0 for _, wrong, _, _ in counts), len(counts)),
        cover=share(covered, truth),
    )


def sampled(outcomes: Iterable[Outcome]) -> Sampled | None:
    """The sampled prompts; k is the number of samples. None where none were sampled.

    Prompts with samples that could not be scored have fewer than k and are left out.
    """
    drawn = [o for o in outcomes if o.samples]
    if not drawn:
        return None
    k = max(o.samples for o in drawn)
    full = [o for o in drawn if o.samples == k]
    low, high = share_interval([o.samples_correct > 0 for o in full], [o.split_key for o in full])
    return Sampled(
        k=k,
        prompts=len(full),
        pass_at_k=pass_at(full, k),
        low=round(low, DIGITS),
        high=round(high, DIGITS),
        at={str(one): pass_at(full, one) for one in sorted({k, *(1 << n for n in range(k.bit_length()))})},
        mean_correct=share(sum(o.samples_correct for o in full), k * len(full)),
        distinct=share(sum(o.distinct for o in full), len(full)),
    )


def pass_at(outcomes: Sequence[Outcome], k: int) -> float | None:
    """Mean chance that one of k samples is right, for any k up to the number of samples. Raises ValueError beyond."""
    chances = [pass_at_k_unbiased(o.samples, o.samples_correct, k) for o in outcomes]
    return share(math.fsum(chances), len(chances))


def of_model(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """All metrics of one model, JSON-able: accuracy overall and in `skills`, `yes_no`, `chair`, `sampled`, rates,
    and `intervals` of those figures that do not carry theirs."""
    return {
        **accuracy(outcomes).model_dump(),
        "skills": {skill: accuracy(part).model_dump() for skill, part in by_skill(outcomes).items()},
        "yes_no": _dumped(yes_no(outcomes)),
        "chair": _dumped(chair(outcomes)),
        "sampled": _dumped(sampled(outcomes)),
        "unparsed": share(sum(o.unparsed for o in outcomes), len(outcomes)),
        "clipped": share(sum(o.clipped for o in outcomes), len(outcomes)),
        "intervals": intervals.of_outcomes(outcomes),
    }


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Metrics by role and, where both models were measured, candidate minus champion on the same items.

    `delta` is of accuracy over all items; `deltas` holds those of each skill, of pass@k and of chair_i, and in `figures` all others.
    """
    roles = {role: [o for o in outcomes if o.role == role] for role in ROLES}
    found: dict[str, Any] = {role: of_model(part) for role, part in roles.items() if part}
    if all(roles.values()):
        found |= deltas(roles["candidate"], roles["champion"])
    return found


def counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """What a manifest counts: items and, over both models, what could not be scored, read or finished."""
    return {
        "items": len({o.prompt_id for o in outcomes}),
        "outcomes": len(outcomes),
        "unscored": sum(o.correct is None for o in outcomes),
        "unparsed": sum(o.unparsed for o in outcomes),
        "clipped": sum(o.clipped for o in outcomes),
    }


Pairs = list[tuple[Outcome, Outcome]]


def paired(candidate: Iterable[Outcome], champion: Iterable[Outcome]) -> Pairs:
    """(candidate's, champion's) outcomes of the prompts that both answered, in the candidate's order."""
    theirs = {o.prompt_id: o for o in champion}
    return [(ours, theirs[ours.prompt_id]) for ours in candidate if ours.prompt_id in theirs]


def deltas(candidate: Iterable[Outcome], champion: Iterable[Outcome]) -> dict[str, Any]:
    """`delta` and `deltas`, as `summary` describes them."""
    pairs = paired(candidate, champion)
    skills: dict[str, Pairs] = defaultdict(list)
    for pair in pairs:
        skills[pair[0].skill].append(pair)
    return {
        "delta": _rounded(accuracy_delta(pairs)),
        "deltas": {
            "skills": {skill: _rounded(accuracy_delta(part)) for skill, part in sorted(skills.items())},
            "pass_at_k": _rounded(pass_at_k_delta(pairs)),
            "chair_i": _rounded(chair_i_delta(pairs)),
            "figures": intervals.of_pairs(pairs),
        },
    }


def accuracy_delta(pairs: Pairs) -> Delta | None:
    """Of the items that are scored for both; None where there are none."""
    return _delta(pairs, lambda o: None if o.correct is None else float(o.correct))


def pass_at_k_delta(pairs: Pairs) -> Delta | None:
    """Of the prompts with all k samples scored for both; None where there are none."""
    k = max((o.samples for pair in pairs for o in pair), default=0)
    return _delta(pairs, lambda o: pass_at_k_unbiased(k, o.samples_correct, k) if k and o.samples == k else None)


def chair_i_delta(pairs: Pairs) -> Delta | None:
    """Of the captions; negative is better. None where there are none."""
    both = [pair for pair in pairs if all(o.mentioned is not None for o in pair)]
    if not both:
        return None
    ours, theirs = ([_hallucinations(pair[side]) for pair in both] for side in (0, 1))
    clusters = [pair[0].split_key for pair in both]
    return paired_ratio_delta(_columns(ours), _columns(theirs), clusters)


def by_skill(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    """Outcomes of each skill, skills in alphabetical order."""
    found: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        found[outcome.skill].append(outcome)
    return dict(sorted(found.items()))


def _delta(pairs: Pairs, value: Callable[[Outcome], float | None]) -> Delta | None:
    found = [
        (a, b, ours.split_key)
        for ours, theirs in pairs
        if (a := value(ours)) is not None and (b := value(theirs)) is not None
    ]
    if not found:
        return None
    candidate, champion, clusters = zip(*found, strict=True)
    return paired_delta(candidate, champion, clusters)


def _hallucinations(outcome: Outcome) -> tuple[int, int]:
    return outcome.hallucinated or 0, outcome.mentioned or 0


def _columns(rows: Sequence[tuple[int, int]]) -> tuple[list[float], list[float]]:
    return [float(a) for a, _ in rows], [float(b) for _, b in rows]


def _dumped(record: Record | None) -> dict[str, Any] | None:
    return record.model_dump() if record is not None else None


def _rounded(delta: Delta | None) -> Mapping[str, Any] | None:
    if delta is None:
        return None
    return {
        name: round(value, DIGITS) if isinstance(value, float) else value for name, value in delta.model_dump().items()
    }
