"""What becomes of one group by itself: whether it is dropped, which completions are kept, its pairs and uses. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from ratchet.filter import reasons
from ratchet.filter.pairs import Candidate, image_pairs, make_pairs
from ratchet.filter.repair import MISORDERED, Repaired, repair
from ratchet.recipe import FilterConfig, VerifyConfig
from ratchet.records import Completion, Group, Pair, Use
from ratchet.verify.extract import AMBIGUOUS, UNPARSED
from ratchet.verify.policy import Judgement, judge
from ratchet.verify.protocol import reaches

WITHOUT_PICTURE = "without_picture"
NEGATIVE, NOT_GENERATED, CLIPPED, UNSCORED = "negative", "not_generated", "clipped", "unscored"
DUPLICATE_TEXT, SURPLUS, TOO_LONG = "duplicate_text", "surplus", "too_long"
_UNREADABLE = frozenset({AMBIGUOUS, UNPARSED})

Judged = Sequence[tuple[Completion, Judgement]]


class Settled(NamedTuple):
    """`reason` None: kept. `marks` hold (kept, reason) for each completion, in order; `mended` counts what `repair` did."""

    reason: str | None
    pass_rate: float | None
    marks: tuple[tuple[bool, str | None], ...] = ()
    pairs: tuple[Pair, ...] = ()
    uses: tuple[Use, ...] = ()
    mended: Counter[str] = Counter()


def settle(group: Group, verify: VerifyConfig, config: FilterConfig) -> Settled:
    """Judge the completions and decide. Deliberate negatives serve as rejected ones only and do not count in the rate.

    With verify.policy none nothing is known of right and wrong: the filters that ask for it let everything pass, and
    only negatives that are trusted can be rejected.
    """
    judged = [(c, judge(c.verdicts, verify)) for c in group.completions]
    honest = [(c, j) for c, j in judged if c.honest]
    checked = verify.policy != "none"
    decided = [j for _, j in honest if j.passed is not None]
    rate = sum(bool(j.passed) for j in decided) / len(decided) if checked and decided else None
    reason = _first_reason(honest, decided, rate, config)
    if reason is not None:
        return Settled(reason, rate)
    marks = choose(judged, config)
    trusted = config.pairs is not None and config.pairs.negatives == "trusted"
    pairs, mended = _pairs(judged, config) if checked or trusted else Repaired((), Counter())
    spread = rate is not None and _spreads(decided, rate, config)
    found: dict[Use, bool] = {"preference": bool(pairs), "rl": spread, "sft": any(kept for kept, _ in marks)}
    uses = tuple(use for use, holds in found.items() if holds and (config.uses is None or use in config.uses))
    if uses:
        return Settled(None, rate, marks, pairs, uses, mended)
    return Settled(_without_use(mended, rate, spread, config), rate, marks, pairs, uses, mended)


def _first_reason(honest: Judged, decided: Sequence[Judgement], rate: float | None, config: FilterConfig) -> str | None:
    if not decided:
        return reasons.UNSCORED
    if sum(c.finish_reason == "length" for c, _ in honest) >= config.clipped_share * len(honest):
        return reasons.CLIPPED
    if rate is None:
        return None
    if sum(j.passed is False and j.reason in _UNREADABLE for j in decided) >= config.unparsed_share * len(decided):
        return reasons.UNPARSED
    if rate < config.min_pass_rate:
        return reasons.TOO_HARD
    return reasons.TOO_EASY if rate > config.max_pass_rate else None


def _spreads(decided: Sequence[Judgement], rate: float, config: FilterConfig) -> bool:
    """Whether the group's scores differ enough to say which answer is better: an advantage of 0 teaches nothing (DAPO)."""
    if config.min_score_std is None:
        return 0 < rate < 1
    scores = [_score(one) for one in decided]
    mean = sum(scores) / len(scores)
    return reaches(math.sqrt(sum((one - mean) ** 2 for one in scores) / len(scores)), config.min_score_std)


def _without_use(mended: Counter[str], rate: float | None, spread: bool, config: FilterConfig) -> str:
    if mended[MISORDERED]:
        return reasons.MISORDERED
    wanted = config.min_score_std is not None and (config.uses is None or "rl" in config.uses)
    return reasons.LOW_VARIANCE if wanted and rate is not None and not spread else reasons.NO_USE


def _score(judged: Judgement) -> float:
    return judged.score if judged.score is not None else float(bool(judged.passed))


def choose(judged: Judged, config: FilterConfig) -> tuple[tuple[bool, str | None], ...]:
    """Which completions to imitate: passed, whole, each text once, at most `completions_per_prompt`; and why not others."""
    refused = [_refusal(c, j, config) for c, j in judged]
    ranked = sorted((i for i, why in enumerate(refused) if why is None), key=lambda i: _rank(judged[i][0], config))
    texts: set[str] = set()
    for i in ranked:
        text = " ".join(judged[i][0].text.split())
        if text in texts:
            refused[i] = DUPLICATE_TEXT
        elif len(texts) == config.completions_per_prompt:
            refused[i] = SURPLUS
        else:
            texts.add(text)
    return tuple((why is None, why) for why in refused)


def _refusal(completion: Completion, judged: Judgement, config: FilterConfig) -> str | None:
    if completion.negative is not None:
        return NEGATIVE
    if completion.blind:
        return WITHOUT_PICTURE
    if completion.finish_reason == "error":
        return NOT_GENERATED
    if judged.passed is None:
        return UNSCORED
    if completion.finish_reason == "length":
        return CLIPPED
    if not judged.passed:
        return judged.reason
    return TOO_LONG if _too_long(completion, config) else None


def _too_long(completion: Completion, config: FilterConfig) -> bool:
    return config.max_tokens is not None and completion.n_tokens > config.max_tokens


def _rank(completion: Completion, config: FilterConfig) -> tuple[float, int]:
    if config.choose == "shortest":
        return (float(completion.n_tokens), completion.index)
    if config.choose == "likeliest":
        # A completion of unknown likelihood comes after all others.
        likelihood = completion.logprob_sum
        return (-likelihood if likelihood is not None else float("inf"), completion.index)
    return (0.0, completion.index)


def _pairs(judged: Judged, config: FilterConfig) -> Repaired:
    if config.pairs is None:
        return Repaired((), Counter())
    whole = [(c, j) for c, j in judged if c.finish_reason == "stop"]
    passed = [_candidate(c, j) for c, j in whole if j.passed and c.honest and not _too_long(c, config)]
    failed = [_candidate(c, j) for c, j in whole if j.passed is False and not c.input_only]
    if config.pairs.negatives == "trusted":
        honest = [one for one in failed if one.completion.negative is None]
        made_bad = [c for c, _ in whole if c.negative is not None and not c.input_only]
        failed = [*honest, *(Candidate(c, 0.0, f"negative_{c.negative.kind}") for c in made_bad if c.negative)]
    pairs = make_pairs(passed, failed, config.pairs) if config.pairs.texts else ()
    if config.pairs.images:
        pairs += image_pairs(passed, [c for c, _ in whole], config.pairs)
    if config.pairs.repair is None:
        return Repaired(pairs, Counter())
    return repair(pairs, [c for c, _ in whole], config.pairs.repair)


def _candidate(completion: Completion, judged: Judgement) -> Candidate:
    return Candidate(completion, _score(judged), judged.reason)
