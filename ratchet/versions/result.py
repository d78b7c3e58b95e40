"""What a comparison finds, as frozen data, and how it is worked out from two models' outcomes on the same items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from ratchet.errors import ArtifactError
from ratchet.evaluate import metrics
from ratchet.evaluate.outcomes import Outcome
from ratchet.records import Record
from ratchet.report.gallery import FLIPS
from ratchet.statistics import Delta

FlipKind = Literal["wrong to right", "right to wrong"]
MOST_FLIPS = 40
YES_NO = (
    ("accuracy", "yes/no: accuracy"),
    ("precision", "yes/no: precision"),
    ("recall", "yes/no: recall"),
    ("f1", "yes/no: F1"),
    ("yes_ratio", "yes/no: share of yes"),
    ("true_yes_ratio", "yes/no: true share of yes"),
)
CHAIR = (("chair_i", "CHAIR_i"), ("chair_s", "CHAIR_s"), ("cover", "Cover"))
LOWER_IS_BETTER = frozenset({"CHAIR_i", "CHAIR_s", "unparsed", "clipped"})


class Line(Record):
    """One figure of both: `a` and `b` on the same items, and b minus a with its 95% interval where there is a paired one."""

    name: str
    a: float | None
    b: float | None
    delta: Delta | None = None
    n: int


class Flip(Record):
    """One item that only one of both got right."""

    kind: FlipKind
    prompt_id: str
    skill: str
    a: str
    b: str
    question: str = ""
    reference: str | None = None
    pictures: tuple[str, ...] = ()


class Comparison(Record):
    """Version `b` beside version `a`. `split` and `items` (a digest) say on what; `stored`: from what rounds had measured already.

    `counts` are items by what became of them. `flips` are at most MOST_FLIPS of each kind. `notes` say what was left out.
    """

    a: str
    b: str
    split: str
    items: str
    where: str
    stored: bool
    lines: tuple[Line, ...]
    counts: dict[str, int]
    unscored: int
    flips: tuple[Flip, ...]
    notes: tuple[str, ...] = ()


def lines_of(a: Sequence[Outcome], b: Sequence[Outcome]) -> Iterator[Line]:
    """All figures. Raises ArtifactError where the outcomes are not of the same items."""
    _check_same(a, b)
    ours, theirs = _own(b), _own(a)
    yield from _items(theirs, ours)
    for suite in sorted({o.suite for o in b if o.suite is not None}):
        yield _suite(suite, a, b)


def _check_same(a: Sequence[Outcome], b: Sequence[Outcome]) -> None:
    keys = [Counter(map(key_of, some)) for some in (a, b)]
    if keys[0] != keys[1]:
        odd = sorted(str(key[1]) for key in (keys[0] - keys[1]) + (keys[1] - keys[0]))
        raise ArtifactError(
            f"{len(odd)} items were answered by one version only ({', '.join(odd[:3])}): no paired comparison can be made. Compare on "
            "another split, with --on validation."
        )


def key_of(outcome: Outcome) -> tuple[str, str]:
    """An item: its suite ("" for the split's own) and its key there."""
    return outcome.suite or "", outcome.item or outcome.prompt_id


def _own(outcomes: Iterable[Outcome]) -> list[Outcome]:
    return [o for o in outcomes if o.suite is None]


def _items(a: Sequence[Outcome], b: Sequence[Outcome]) -> Iterator[Line]:
    pairs = metrics.paired(b, a)
    yield _right("accuracy", pairs)
    for skill in metrics.by_skill(b):
        yield _right(f"skill: {skill}", [pair for pair in pairs if pair[0].skill == skill])
    before, after = metrics.of_model(a), metrics.of_model(b)
    deltas = {"pass_at_k": metrics.pass_at_k_delta(pairs), "chair_i": metrics.chair_i_delta(pairs)}
    k = (after["sampled"] or {}).get("k")
    for part, names, number in (
        ("sampled", (("pass_at_k", f"pass@{k}"),), "prompts"),
        ("chair", CHAIR, "captions"),
        ("yes_no", YES_NO, "items"),
    ):
        if before[part] is not None and after[part] is not None:
            for name, words in names:
                found = (before[part][name], after[part][name])
                yield Line(name=words, a=found[0], b=found[1], delta=deltas.get(name), n=after[part][number])
    for name in ("unparsed", "clipped"):
        yield Line(name=name, a=before[name], b=after[name], n=after["items"])


def _right(name: str, pairs: metrics.Pairs) -> Line:
    """The share that is right, of the items that have a verdict for both."""
    both = [(ours, other) for ours, other in pairs if ours.correct is not None and other.correct is not None]
    after, before = (sum(bool(pair[side].correct) for pair in both) / len(both) if both else None for side in (0, 1))
    return Line(name=name, a=before, b=after, delta=metrics.accuracy_delta(pairs), n=len(both))


def _suite(name: str, a: Sequence[Outcome], b: Sequence[Outcome]) -> Line:
    """The share that is right of a suite's items; its own figures are in the round's report."""
    theirs = {key_of(o): o for o in a if o.suite == name}
    return _right(f"suite: {name}", [(o, theirs[key_of(o)]) for o in b if o.suite == name])


def counted(a: Sequence[Outcome], b: Sequence[Outcome]) -> tuple[dict[str, int], int, list[Flip]]:
    """(items by what became of them, items without a verdict for one or both, flips) of the split's own items."""
    theirs = {o.prompt_id: o for o in _own(a)}
    counts, unscored, flips = Counter[str](), 0, list[Flip]()
    for ours in sorted(_own(b), key=lambda o: (o.skill, o.prompt_id)):
        before = theirs[ours.prompt_id]
        if ours.correct is None or before.correct is None:
            unscored += 1
            continue
        kind = FLIPS[before.correct, ours.correct]
        counts[kind] += 1
        if kind == "wrong to right" or kind == "right to wrong":
            flips.append(Flip(kind=kind, prompt_id=ours.prompt_id, skill=ours.skill, a=before.text, b=ours.text))
    shown = [flip for kind in ("right to wrong", "wrong to right") for flip in _spread(flips, kind)]
    return {kind: counts[kind] for kind in FLIPS.values()}, unscored, shown


def _spread(flips: Sequence[Flip], kind: str) -> list[Flip]:
    """At most MOST_FLIPS of a kind, skills in turn, so that a frequent one hides no rare one."""
    by_skill: dict[str, list[Flip]] = {}
    for one in flips:
        if one.kind == kind:
            by_skill.setdefault(one.skill, []).append(one)
    ranked = sorted((place, skill) for skill, some in by_skill.items() for place in range(len(some)))
    return [by_skill[skill][place] for place, skill in ranked[:MOST_FLIPS]]
