"""How often a verifier prefers the better of two answers, on the items of a prepared suite of pairs (VL-RewardBench).

    figures = preferences(prepared.artifact.rows(), verifier)

Any verifier can be measured: a rubric or a reward model scores both answers, and the higher score is its choice; `pairwise`
compares them itself, in both orders. Equal scores choose none: half right, as a coin would be, and counted. Where either answer
has no score, the verifier has no opinion of the pair: in no share, and counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from ratchet import canonical
from ratchet.evaluate.suites.base import Item, SuiteFigures
from ratchet.evaluate.suites.counting import share
from ratchet.evaluate.suites.vl_rewardbench import BETTER, ORDERS, QUERY, WORSE
from ratchet.records import Completion, Group, Message, Prompt, Sampling, Verdict
from ratchet.verify import Verifier

AT_ONCE = 64
EDGE = 1e-9
"""Scores nearer than this are the same."""
_SHOWN = Sampling(strategy="benchmark", seed=0, temperature=0.0, max_new_tokens=1)


class Preference(NamedTuple):
    """Of one pair: 1 where the better answer has the higher score, 0.5 where both have the same, None where one has none."""

    group: str
    right: float | None


def preferences(items: Iterable[Item], verifier: Verifier) -> SuiteFigures:
    """`accuracy`, `ties` and pairs with no opinion, of all pairs, of each group, and the plain mean of the groups (`macro`)."""
    found = [
        _preferred(group.prompt.skill, verdicts)
        for some in _batches(pairs_of(items))
        for group, verdicts in zip(some, verifier.verify(some), strict=True)
    ]
    groups: dict[str, list[Preference]] = defaultdict(list)
    for one in found:
        groups[one.group].append(one)
    parts = {name: _figures(part) for name, part in sorted(groups.items())}
    known = [part["accuracy"] for part in parts.values() if isinstance(part["accuracy"], float)]
    return {**_figures(found), "macro": share(sum(known), len(known)), "categories": parts}


def pairs_of(items: Iterable[Item]) -> Iterator[Group]:
    """Each pair of the suite once, as a group of two answers to the question, the better one first."""
    for item in items:
        if not item.key.endswith(f"#{ORDERS[0]}"):
            continue
        facts = canonical.loads(item.facts.encode())
        asked = item.prompt
        prompt = Prompt.make(
            messages=[Message(role="user", content=facts[QUERY])],
            images=asked.images,
            skill=asked.skill,
            source=asked.source,
            split_key=asked.split_key,
        )
        answers = (_answer(index, facts[name]) for index, name in enumerate((BETTER, WORSE)))
        yield Group(prompt=prompt, completions=tuple(answers))


def _batches(groups: Iterator[Group]) -> Iterator[list[Group]]:
    while some := list(islice(groups, AT_ONCE)):
        yield some


def _answer(index: int, text: str) -> Completion:
    return Completion(
        index=index, text=text, finish_reason="stop", sampling=_SHOWN, n_tokens=len(text.split()), model="benchmark"
    )


def _preferred(group: str, verdicts: Sequence[Verdict]) -> Preference:
    better, worse = (verdict.score for verdict in verdicts)
    if better is None or worse is None:
        return Preference(group, None)
    return Preference(group, 0.5 if abs(better - worse) < EDGE else float(better > worse))


def _figures(found: Sequence[Preference]) -> SuiteFigures:
    known = [one.right for one in found if one.right is not None]
    return {
        "accuracy": share(sum(known), len(known)),
        "ties": share(known.count(0.5), len(known)),
        "pairs": len(found),
        "unscored": len(found) - len(known),
    }
