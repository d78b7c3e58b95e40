"""Which answers of a round are doubtful, the most doubtful of each sort first, sorts in turn.

disagree    one verifier passed it, another failed it
threshold   its score, or a verifier's, lies within NEAR of what decides
imprecise   it passes by a verifier whose audited precision may be below what is asked
random      drawn at random, whatever its verdicts: what nothing doubts may be wrong as well
flip        the champion was right on this holdout item, the candidate is wrong; only where a person asks for it
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Literal

from ratchet import canonical, rounds
from ratchet.artifacts import GROUPS, Artifact, ImageBank, Manifest
from ratchet.errors import RoundError
from ratchet.evaluate.outcomes import OUTCOMES, Outcome
from ratchet.promptset import find, open_part
from ratchet.recipe import VerifyConfig
from ratchet.records import Completion, Group, Prompt, Record
from ratchet.review.labels import Split, answer_id
from ratchet.rounds import Round
from ratchet.store import Store
from ratchet.verify.audit.result import AuditResult
from ratchet.verify.disagreement import disagreeing
from ratchet.verify.judging import EVERY
from ratchet.verify.policy import Judgement, judge

Why = Literal["disagree", "threshold", "imprecise", "random", "flip"]
WORDS: dict[Why, str] = {
    "disagree": "verifiers disagree",
    "threshold": "close to the threshold",
    "imprecise": "passed by an imprecise verifier",
    "random": "drawn at random",
    "flip": "right before, wrong now",
}
NEAR = 0.1
RANDOM = 4
"""One answer in so many of the queue is drawn at random."""
PRECISE = 0.8


class Said(Record):
    """One verifier's verdict, as a person reads it."""

    verifier: str
    passed: bool | None
    score: float | None
    reason: str
    detail: str | None = None


class Doubt(Record):
    """One answer to look at. `before` is the champion's answer, where a flip is the doubt."""

    id: str
    why: tuple[Why, ...]
    round: int
    split: Split
    prompt: Prompt
    text: str
    model: str
    verdict: bool | None
    reason: str
    said: tuple[Said, ...] = ()
    before: str | None = None


Ranked = tuple[float, str, Doubt]


def queue(
    store: Store, loop: str, number: int | None = None, most: int = 60, precise: float = PRECISE, flips: bool = False
) -> tuple[list[Doubt], list[ImageBank]]:
    """At most `most` doubts of a round (default: the last that has verdicts), and where their pictures are.

    `flips`: holdout items as well, last. Whoever chooses by what they show weakens the gate, which takes it that nobody does.
    Raises RoundError where no round has verdicts.
    """
    opened, done = _round(store, loop, number)
    verified = done["verify"]
    banks = [ImageBank(store, verified.packs)]
    sorts = list(_pool(store, opened, verified, most, precise))
    if flips and "evaluate" in done:
        lost, bank = _flips(store, opened, done["evaluate"], most)
        sorts.append(lost)
        banks.append(bank)
    return _merged(sorts, most), banks


def _round(store: Store, loop: str, number: int | None) -> tuple[Round, dict[str, Manifest]]:
    known = [number] if number is not None else list(reversed(rounds.numbers(store, rounds.check_loop_name(loop))))
    for one in known:
        opened, done = rounds.read_round(store, loop, one), rounds.manifests(store, loop, one)
        if "verify" in done:
            return opened, done
    which = f"round {number}" if number is not None else "no round"
    raise RoundError(
        f"{which} of loop {loop} has{' no' if number is not None else ''} verdicts to review; `ratchet verify --loop {loop}` or "
        f"`ratchet run --loop {loop}` makes them."
    )


def _pool(store: Store, opened: Round, verified: Manifest, most: int, precise: float) -> Iterator[list[Doubt]]:
    """The doubts of what the round learned from, sort by sort."""
    config = opened.recipe.verify
    imprecise = _imprecise(verified, precise)
    thresholds = _thresholds(config)
    found: dict[Why, list[Ranked]] = {"disagree": [], "threshold": [], "imprecise": [], "random": []}
    for group in Artifact.open(store, verified.uri, GROUPS).rows():
        for one in group.completions:
            if one.honest and one.verdicts:
                for why, rank in _whys(one, config, thresholds, imprecise):
                    kept = found[why]
                    kept.append((rank, "", _doubt(opened, group, one, why, config)))
                    if len(kept) > 8 * most:
                        found[why] = _best(kept, most)
    for why, kept in found.items():
        yield [doubt for _, _, doubt in _best(kept, -(-most // RANDOM) if why == "random" else most)]


def _best(kept: Iterable[Ranked], most: int) -> list[Ranked]:
    """The most doubtful; among equals those with the smallest hash, so that the same ones come each time."""
    return heapq.nsmallest(most, kept, key=lambda one: (one[0], canonical.sha256(one[2].id.encode())))


def _whys(
    one: Completion, config: VerifyConfig, thresholds: dict[str, float], imprecise: frozenset[str]
) -> Iterator[tuple[Why, float]]:
    """Why an answer is doubtful, each with a rank: 0 is the most doubtful."""
    judged = _judged(one, config)
    if disagreeing(one.verdicts):
        yield "disagree", 0.0
    pairs = [(v.score, thresholds[v.verifier]) for v in one.verdicts if v.verifier in thresholds]
    if config.policy in ("mean", "weighted"):
        pairs.append((judged.score, config.threshold))
    # Scores of 0 and 1 are a clear no and yes, wherever the threshold is.
    gaps = [abs(score - threshold) for score, threshold in pairs if score is not None and 0 < score < 1]
    if gaps and min(gaps) <= NEAR:
        yield "threshold", min(gaps)
    if judged.passed and any(v.verifier in imprecise and v.passed for v in one.verdicts):
        yield "imprecise", 0.0
    yield "random", 0.0


def _judged(one: Completion, config: VerifyConfig) -> Judgement:
    """As the round did; where its policy lets everything pass, as its verifiers together would."""
    return judge(one.verdicts, EVERY if config.policy == "none" else config)


def _thresholds(config: VerifyConfig) -> dict[str, float]:
    found = {one.called: getattr(one, "threshold", None) for one in config.chosen}
    return {name: float(value) for name, value in found.items() if value is not None}


def _imprecise(verified: Manifest, precise: float) -> frozenset[str]:
    """Verifiers whose audit cannot rule out a precision below `precise`."""
    told = verified.results.get("audit")
    if told is None:
        return frozenset()
    audit = AuditResult.model_validate(told)
    return frozenset(
        one.verifier
        for one in audit.verifiers
        if one.family not in ("baseline", "policy") and not one.is_truth and one.precision.low < precise
    )


def _doubt(opened: Round, group: Group, one: Completion, why: Why, config: VerifyConfig) -> Doubt:
    judged = _judged(one, config)
    return Doubt(
        id=answer_id(opened.number, group.prompt.id, one.text),
        why=(why,),
        round=opened.number,
        split="pool",
        prompt=group.prompt,
        text=one.text,
        model=one.model,
        verdict=judged.passed,
        reason=judged.reason,
        said=tuple(
            Said(verifier=v.verifier, passed=v.passed, score=v.score, reason=v.reason, detail=v.detail or v.error)
            for v in one.verdicts
        ),
    )


def _flips(store: Store, opened: Round, evaluated: Manifest, most: int) -> tuple[list[Doubt], ImageBank]:
    """Holdout items that only the champion got right. They are for looking: their labels go to a ledger apart."""
    sides: dict[str, dict[str, Outcome]] = {}
    for outcome in Artifact.open(store, evaluated.uri, OUTCOMES).rows():
        if outcome.suite is None:
            sides.setdefault(outcome.prompt_id, {})[outcome.role] = outcome
    lost = {
        id_: (both["champion"], both["candidate"])
        for id_, both in sides.items()
        if len(both) == 2 and both["champion"].correct is True and both["candidate"].correct is False
    }
    source = find(store, opened.prompts)
    if source is None or "holdout" not in source.parts:
        return [], ImageBank(store, ())
    part = open_part(store, source, "holdout")
    doubts = [_flip(opened, prompt, *lost[prompt.id]) for prompt in part.rows() if prompt.id in lost]
    best = _best(((0.0, "", doubt) for doubt in doubts), most)
    return [doubt for _, _, doubt in best], ImageBank(store, part.manifest.packs)


def _flip(opened: Round, prompt: Prompt, champion: Outcome, candidate: Outcome) -> Doubt:
    return Doubt(
        id=answer_id(opened.number, prompt.id, candidate.text),
        why=("flip",),
        round=opened.number,
        split="holdout",
        prompt=prompt,
        text=candidate.text,
        model="candidate",
        verdict=candidate.correct,
        reason=candidate.reason,
        before=champion.text,
    )


def _merged(sorts: Sequence[Sequence[Doubt]], most: int) -> list[Doubt]:
    """One of each sort in turn; an answer that is doubtful in several ways comes once, with all of them."""
    found: dict[str, Doubt] = {}
    for row in zip_longest(*sorts):
        for doubt in row:
            if doubt is None:
                continue
            known = found.get(doubt.id)
            why = tuple(dict.fromkeys([*known.why, *doubt.why])) if known is not None else doubt.why
            if known is not None or len(found) < most:
                found[doubt.id] = (known or doubt).model_copy(update={"why": why})
    return list(found.values())
