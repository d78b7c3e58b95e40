"""Drifts of the vitals from an earlier round: what the answers say of the model's health."""

from __future__ import annotations

from collections.abc import Callable

from ratchet.alarms.saying import alarm, enough, minus, shown
from ratchet.alarms.seen import Alarm, Seen
from ratchet.recipe import AlarmsConfig
from ratchet.verify.protocol import reaches
from ratchet.verify.vitals import Vitals

Rule = Callable[[Seen, Seen, AlarmsConfig], Alarm | None]


def _amplified(now: Seen, then: Seen, config: AlarmsConfig) -> Alarm | None:
    limits, both = config.amplified, enough(config, now, then)
    if limits is None or both is None or now.precision is None or then.precision is None:
        return None
    here, there = both
    rise, fall = minus(here.agreement, there.agreement), minus(then.precision.share, now.precision.share)
    if rise is None or fall is None or not (reaches(rise, limits.agreement) and reaches(fall, limits.precision)):
        return None
    if rise <= 0 or fall <= 0:
        return None
    return alarm(
        "amplified", limits, now.precision.share, limits.precision,
        f"vote agreement rose from {shown(there.agreement)} to {shown(here.agreement)} while audited precision fell from "
        f"{shown(then.precision.share)} to {shown(now.precision.share)} (alarms.amplified: agreement {limits.agreement:g}, "
        f"precision {limits.precision:g})",
        "The model agrees with its own errors: go back to an older champion, or verify by something other than votes",
        then.precision.share, then,
    )  # fmt: skip


def _entropy(now: Seen, then: Seen, config: AlarmsConfig) -> Alarm | None:
    return _fallen(
        now, then, config, "entropy", lambda v: v.entropy, lambda v: v.voted, "the entropy of the answers (nats)",
        "Diversity collapses: raise generate.temperature, replay earlier rows, or train for fewer epochs",
    )  # fmt: skip


def _tail(now: Seen, then: Seen, config: AlarmsConfig) -> Alarm | None:
    return _fallen(
        now, then, config, "tail", lambda v: v.tail, lambda v: v.prompts,
        "the share of prompts that pass less than half the time, of those that pass at all",
        "What is learned from is ever easier: cap easy prompts (filter.max_pass_rate), or weigh what is weak (generate.weakness)",
    )  # fmt: skip


def _questions(now: Seen, then: Seen, config: AlarmsConfig) -> Alarm | None:
    top = now.vitals.top_question if now.vitals is not None else None
    return _fallen(
        now, then, config, "questions", lambda v: v.question_types, lambda v: v.asked,
        f"the number of kinds of self-asked questions (most often now: {top!r})",
        "The questioner repeats itself: ask in other ways, or drop questions that are too alike",
    )  # fmt: skip


def _fallen(
    now: Seen,
    then: Seen,
    config: AlarmsConfig,
    name: str,
    value: Callable[[Vitals], float | None],
    number: Callable[[Vitals], int],
    what: str,
    advice: str,
) -> Alarm | None:
    """A value that lost a share of what it was."""
    limits, here, there = getattr(config, name), now.vitals, then.vitals
    if limits is None or here is None or there is None or min(number(here), number(there)) < config.min_prompts:
        return None
    ours, theirs = value(here), value(there)
    if ours is None or not theirs or not reaches(1 - ours / theirs, limits.fall):
        return None
    said = f"{what} fell from {shown(theirs)} to {shown(ours)}, by {limits.fall:g} of it or more (alarms.{name}.fall)"
    return alarm(name, limits, ours, limits.fall, said, advice, theirs, then)


def _diversity(now: Seen, then: Seen, config: AlarmsConfig) -> Alarm | None:
    limits, both = config.diversity, enough(config, now, then)
    if limits is None or both is None:
        return None
    here, there = both
    shared = sorted(here.pass_at_k.keys() & there.pass_at_k.keys(), key=int)
    rise = minus(here.pass_rate, there.pass_rate)
    if rise is None or rise <= limits.rise or not shared:
        return None
    k = shared[-1]
    ours, theirs = here.pass_at_k[k], there.pass_at_k[k]
    if not reaches(theirs - ours, limits.fall):
        return None
    return alarm(
        "diversity", limits, ours, limits.fall,
        f"pass@{k} fell from {shown(theirs)} to {shown(ours)} while the pass rate rose from {shown(there.pass_rate)} to "
        f"{shown(here.pass_rate)} (alarms.diversity.fall {limits.fall:g})",
        "The model forgets how else to be right: raise generate.temperature, keep more different answers, train less",
        theirs, then,
    )  # fmt: skip


def _yes_ratio(now: Seen, then: Seen, config: AlarmsConfig) -> Alarm | None:
    limits, here, there = config.yes_ratio, now.vitals, then.vitals
    if limits is None or here is None or there is None or min(here.yes_no, there.yes_no) < config.min_prompts:
        return None
    if here.yes_ratio is None or there.yes_ratio is None:
        return None
    if not reaches(abs(here.yes_ratio - 0.5) - abs(there.yes_ratio - 0.5), limits.drift):
        return None
    return alarm(
        "yes_ratio", limits, here.yes_ratio, limits.drift,
        f"the share of yes went from {shown(there.yes_ratio)} to {shown(here.yes_ratio)}, {limits.drift:g} or more further from "
        "one half (alarms.yes_ratio.drift)",
        "The model answers without looking: balance yes and no among the kept rows",
        there.yes_ratio, then,
    )  # fmt: skip


def _length(now: Seen, then: Seen, config: AlarmsConfig) -> Alarm | None:
    limits, both = config.length, enough(config, now, then)
    if limits is None or both is None:
        return None
    here, there = both
    if here.tokens is None or not there.tokens or not reaches(abs(here.tokens / there.tokens - 1), limits.drift):
        return None
    return alarm(
        "length", limits, here.tokens, limits.drift,
        f"the mean answer went from {there.tokens:.1f} to {here.tokens:.1f} tokens, by {limits.drift:g} of it or more "
        "(alarms.length.drift)",
        "A verifier or a judge may like length itself: look at its length bias (`ratchet verify audit`)",
        there.tokens, then,
    )  # fmt: skip


def _unreadable(now: Seen, then: Seen, config: AlarmsConfig) -> Alarm | None:
    limits, both = config.unreadable, enough(config, now, then)
    if limits is None or both is None:
        return None
    here, there = both
    for what, name in (("unreadable", "unreadable"), ("cut off", "clipped")):
        ours, theirs = getattr(here, name), getattr(there, name)
        if ours is None or theirs is None or not reaches(ours - theirs, limits.rise):
            continue
        said = f"the share of {what} answers rose from {shown(theirs)} to {shown(ours)}, by {limits.rise:g} or more (alarms.unreadable.rise)"
        advice = "Look at what the model writes; raise generate.max_new_tokens if it is cut off"
        return alarm("unreadable", limits, ours, limits.rise, said, advice, theirs, then)
    return None


def _conditioning(now: Seen, then: Seen, config: AlarmsConfig) -> Alarm | None:
    limits = config.conditioning
    fall = minus(then.conditioning, now.conditioning)
    if limits is None or enough(config, now, then) is None or fall is None or not reaches(fall, limits.fall):
        return None
    return alarm(
        "conditioning", limits, now.conditioning, limits.fall,
        f"the mean score of the verifier conditioning fell from {shown(then.conditioning)} to {shown(now.conditioning)}, by "
        f"{limits.fall:g} or more (alarms.conditioning.fall)",
        "The model looks at its pictures less: add pairs with another picture (filter.pairs.images), or an SFT loss",
        then.conditioning, then,
    )  # fmt: skip


DRIFTS: tuple[Rule, ...] = (
    _amplified, _entropy, _diversity, _yes_ratio, _length, _unreadable, _tail, _questions, _conditioning,
)  # fmt: skip
