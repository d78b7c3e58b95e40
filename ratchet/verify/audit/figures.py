"""From what a verifier said to what is kept of it. Pure: the same verdicts give the same figures, to the bit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations

from ratchet.statistics import clustered_share, paired_delta
from ratchet.verify.applying import NOT_GENERATED
from ratchet.verify.audit.probes import IN_A_SENTENCE
from ratchet.verify.audit.result import Answers, Audited, Difference, Family, Probed, Share
from ratchet.verify.audit.seeing import ANSWER, Seeing, Seen

_DIGITS = 6
Pair = tuple[Seen, Seen]


def figures(
    verifier: str, family: Family, seeing: Seeing, *, own: frozenset[str] = frozenset(), is_truth: bool = False
) -> Audited:
    """All figures of one verifier. `own` are the models whose answers are its judge's own."""
    seen = seeing.seen
    answers = [one for one in seen if one.sort == ANSWER]
    corrupted = [one for one in seen if one.sort == "corrupted"]
    forms = [one for one in seen if one.sort == "form"]
    tokens = sum(one.verdict.tokens for one in seen)
    return Audited(
        verifier=verifier,
        version=seeing.version,
        family=family,
        is_truth=is_truth,
        gold=_probed(one for one in seen if one.sort == "gold"),
        forms=_by_kind(forms),
        corrupted=_probed(corrupted),
        corruptions=_by_kind(corrupted),
        answers=_answers(answers),
        base_rate=_share(answers, lambda one: one.right),
        precision=_share([one for one in answers if one.verdict.passed], lambda one: one.right),
        recall=_share([one for one in answers if one.right], lambda one: one.verdict.passed is True),
        ranking=_ranking(answers),
        order_bias=_order(seeing),
        length_bias=_difference(_longer_first(seen)),
        self_preference=_difference(_own_first(answers, own)) if own else None,
        verdicts=len(seen),
        errors=sum(one.verdict.error is not None and one.verdict.reason != NOT_GENERATED for one in seen),
        tokens_per_verdict=round(tokens / len(seen), _DIGITS) if seen else 0.0,
        seconds_per_verdict=seeing.seconds / seeing.judged if seeing.judged else None,
    )


def _probed(seen: Iterable[Seen]) -> Probed:
    passed = [one.verdict.passed for one in seen]
    return Probed(n=len(passed), passed=passed.count(True), unscored=passed.count(None))


def _by_kind(seen: Iterable[Seen]) -> dict[str, Probed]:
    found: dict[str, list[Seen]] = defaultdict(list)
    for one in seen:
        found[one.kind].append(one)
    return {kind: _probed(found[kind]) for kind in sorted(found)}


def _answers(seen: Sequence[Seen]) -> Answers:
    said = [(one.right, one.verdict.passed) for one in seen]
    return Answers(
        n=len(said),
        true_positives=said.count((True, True)),
        false_positives=said.count((False, True)),
        true_negatives=said.count((False, False)),
        false_negatives=said.count((True, False)),
        unscored_right=said.count((True, None)),
        unscored_wrong=said.count((False, None)),
    )


def _share(seen: Sequence[Seen], hit: Callable[[Seen], bool]) -> Share:
    return share_of([float(hit(one)) for one in seen], [one.cluster for one in seen])


def share_of(hits: Sequence[float], clusters: Sequence[str]) -> Share:
    """The share of the hits with its interval; items of one cluster are answers to prompts that share a split key."""
    if not hits:
        return Share()
    low, high = clustered_share(hits, clusters)
    share = sum(hits) / len(hits)
    return Share(n=len(hits), clusters=len(set(clusters)), share=_round(share), low=_round(low), high=_round(high))


def _ranking(answers: Sequence[Seen]) -> Share:
    """Pairs of a right and a wrong answer to one prompt that both have a score: 1 where the right one's is higher."""
    hits, clusters = [], []
    for group in _by_case(answers):
        scored = [(one.right, _score(one), one.cluster) for one in group]
        rights = [(score, cluster) for right, score, cluster in scored if right and score is not None]
        wrongs = [score for right, score, _ in scored if not right and score is not None]
        for score, cluster in rights:
            hits += [float(score > wrong) + 0.5 * (score == wrong) for wrong in wrongs]
            clusters += [cluster] * len(wrongs)
    return share_of(hits, clusters)


def _score(one: Seen) -> float | None:
    return one.verdict.score if one.verdict.score is not None else one.credit


def _order(seeing: Seeing) -> Share | None:
    if seeing.flips is None:
        return None
    return share_of([float(one.flipped) for one in seeing.flips], [one.cluster for one in seeing.flips])


def _longer_first(seen: Sequence[Seen]) -> Iterator[Pair]:
    """Two wrong texts of one prompt, the longer first: answers of models; and a corruption beside the sentence that says it."""
    for group in _by_case([one for one in seen if not one.right]):
        for one, other in combinations([one for one in group if one.sort == ANSWER], 2):
            if one.length != other.length:
                yield (one, other) if one.length > other.length else (other, one)
        made = [one for one in group if one.sort == "corrupted"]
        said = next((one for one in made if one.kind == IN_A_SENTENCE), None)
        if said is not None and len(made) > 1:
            # The sentence says the first corruption.
            yield said, min(made, key=lambda one: one.place)


def _own_first(answers: Sequence[Seen], own: frozenset[str]) -> Iterator[Pair]:
    """An answer of its own model and another model's, to one prompt and of the same truth."""
    for group in _by_case(answers):
        for right in (True, False):
            mine = [one for one in group if one.right is right and one.model in own]
            theirs = [one for one in group if one.right is right and one.model not in own]
            yield from ((one, other) for one in mine for other in theirs)


def _difference(pairs: Iterable[Pair]) -> Difference:
    both = [
        (a, b, one.cluster) for one, other in pairs if (a := one.credit) is not None and (b := other.credit) is not None
    ]
    if not both:
        return Difference()
    firsts, seconds, clusters = zip(*both, strict=True)
    found = paired_delta(firsts, seconds, clusters)
    return Difference(
        n=found.n, clusters=found.clusters, value=_round(found.delta), low=_round(found.low), high=_round(found.high)
    )


def _by_case(seen: Iterable[Seen]) -> Iterator[list[Seen]]:
    found: dict[int, list[Seen]] = defaultdict(list)
    for one in seen:
        found[one.case].append(one)
    yield from found.values()


def _round(value: float) -> float:
    # Sums in another order, or another BLAS, differ in the last bits; digests must not.
    return round(value, _DIGITS)
