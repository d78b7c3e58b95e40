"""What people said of a round's answers (`ratchet review`): how many labels, how far the verifiers agree with them, and where people
overrule. Of the answers that the round learned from alone: labels of holdout items are kept apart, and are in no report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from ratchet.errors import ArtifactError
from ratchet.records import Record
from ratchet.review.labels import Choice, Label, Labels, standing
from ratchet.statistics import share_interval
from ratchet.store import Store

VERDICT = "the verdict"
MOST = 20
"""Overruled answers that a page shows of a round; it says how many there are in all."""
_LONGEST = 300


class AgreedView(Record):
    """Of the answers that people were sure of and `name` decided: on how many both say the same, with a 95% interval in which an answer
    that several people labelled counts once. `passed_wrong` and `failed_right` are those on which they do not."""

    name: str
    n: int
    agree: int
    low: float
    high: float
    passed_wrong: int
    failed_right: int


class OverruledView(Record):
    """A label that contradicts the verdict that it lies beside, or states that it must not stand (`override`)."""

    text: str
    choice: Choice
    verdict: bool | None
    override: bool
    said: dict[str, bool | None]
    note: str
    author: str
    at: datetime


class PeopleView(Record):
    """The standing labels of one round: the last of each author on each answer. `overruled` has the newest, of `overrules` in all."""

    labels: int
    answers: int
    authors: int
    unsure: int
    agreed: tuple[AgreedView, ...]
    overrules: int
    overruled: tuple[OverruledView, ...]


def people_views(store: Store, loop: str) -> dict[int, PeopleView]:
    """By round, of those that people labelled. Labels that another ratchet wrote are not shown, as `ratchet review` says of them."""
    try:
        given = standing(Labels(store, loop).of("pool"))
    except ArtifactError:
        return {}
    by_round: Mapping[int, list[Label]] = defaultdict(list)
    for label in given:
        by_round[label.round].append(label)
    return {number: _view(labels) for number, labels in by_round.items()}


def _view(labels: Sequence[Label]) -> PeopleView:
    names = sorted({name for label in labels for name in label.said})
    agreed = [_agreed(VERDICT, labels, lambda label: label.verdict)]
    agreed += [_agreed(name, labels, lambda label, name=name: label.said.get(name)) for name in names]  # type: ignore[misc]
    overruled = sorted((one for one in labels if one.disagrees or one.override), key=lambda one: one.at, reverse=True)
    return PeopleView(
        labels=len(labels),
        answers=len({one.answer for one in labels}),
        authors=len({one.author for one in labels}),
        unsure=sum(one.right is None for one in labels),
        agreed=tuple(agreed),
        overrules=len(overruled),
        overruled=tuple(map(_overruled, overruled[:MOST])),
    )


def _agreed(name: str, labels: Iterable[Label], decided: Callable[[Label], bool | None]) -> AgreedView:
    pairs = [
        (passed, label.right, label.prompt_id)
        for label in labels
        if label.right is not None and (passed := decided(label)) is not None
    ]
    low, high = share_interval([passed == right for passed, right, _ in pairs], [prompt for *_, prompt in pairs])
    return AgreedView(
        name=name,
        n=len(pairs),
        agree=sum(passed == right for passed, right, _ in pairs),
        low=low,
        high=high,
        passed_wrong=sum(passed and not right for passed, right, _ in pairs),
        failed_right=sum(bool(not passed and right) for passed, right, _ in pairs),
    )


def _overruled(label: Label) -> OverruledView:
    text = label.text if len(label.text) <= _LONGEST else f"{label.text[:_LONGEST]} …"
    return OverruledView(
        text=text,
        choice=label.choice,
        verdict=label.verdict,
        override=label.override,
        said=label.said,
        note=label.note,
        author=label.author,
        at=label.at,
    )
