"""What can be said once the candidate was measured: of its skills, of the verifiers' score, of what was kept."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ratchet.alarms.saying import alarm, enough, minus, shown
from ratchet.alarms.seen import Alarm, Measured, Seen
from ratchet.recipe import AlarmsConfig
from ratchet.verify.protocol import reaches

Z = 1.645
"""One-sided 95%."""


def skill_share(now: Seen, config: AlarmsConfig) -> Alarm | None:
    limits = config.skill_share
    kept, rows = (sum(one[i] for one in now.kept.values()) for i in (0, 1))
    if limits is None or not kept:
        return None
    ratios = {
        name: (part / whole) / (kept / rows) for name, (part, whole) in now.kept.items() if whole >= config.min_prompts
    }
    name = min(ratios, key=lambda one: (ratios[one], one), default=None)
    if name is None or ratios[name] >= limits.below:
        return None
    return alarm(
        "skill_share", limits, ratios[name], limits.below,
        f"of skill {name} {now.kept[name][0]} of {now.kept[name][1]} rows were kept, {shown(ratios[name])} of the share of all rows, "
        f"below {limits.below:g} (alarms.skill_share.below)",
        "Widen the pass-rate band, or ask easier prompts of that skill",
    )  # fmt: skip


def hacking(now: Seen, then: Seen, config: AlarmsConfig) -> Alarm | None:
    limits, both = config.hacking, enough(config, now, then)
    held_out = _measured(config, now.champion, then.champion, "")
    if limits is None or both is None or held_out is None:
        return None
    (here, there), (ours, theirs) = both, held_out
    rise, fall = minus(here.score, there.score), theirs.share - ours.share
    if rise is None or rise <= 0 or fall <= 0 or not (reaches(rise, limits.score) and reaches(fall, limits.accuracy)):
        return None
    return alarm(
        "hacking", limits, ours.share, limits.accuracy,
        f"the verifiers' mean score rose from {shown(there.score)} to {shown(here.score)} while the seed's holdout accuracy "
        f"fell from {shown(theirs.share)} to {shown(ours.share)} (alarms.hacking: score {limits.score:g}, accuracy "
        f"{limits.accuracy:g})",
        "The model learns what pleases the verifier: measure it (`ratchet verify audit`) and go back to an older champion",
        theirs.share, then,
    )  # fmt: skip


def skill(now: Seen, then: Seen, config: AlarmsConfig) -> Alarm | None:
    """The skill that fell most, by more than the threshold and by more than chance (holdouts may differ: unpaired)."""
    limits = config.skill
    if limits is None:
        return None
    falls = {}
    for name in sorted(now.candidate.keys() & then.champion.keys() - {""}):
        both = _measured(config, now.candidate, then.champion, name)
        if both is not None and both[1].share - both[0].share > Z * _error(*both):
            falls[name] = both
    name = max(falls, key=lambda one: (falls[one][1].share - falls[one][0].share, one), default="")
    if not name or not reaches(falls[name][1].share - falls[name][0].share, limits.fall):
        return None
    ours, theirs = falls[name]
    return alarm(
        "skill", limits, ours.share, limits.fall,
        f"the candidate gets {shown(ours.share)} of skill {name} right, the champion of round {then.number} "
        f"{shown(theirs.share)}: {limits.fall:g} or more lost (alarms.skill.fall)",
        "The loop unlearns a skill: replay rows of it, or go back to an older champion",
        theirs.share, then,
    )  # fmt: skip


Accuracies = Mapping[str, Measured]


def _measured(
    config: AlarmsConfig, ours: Accuracies, theirs: Accuracies, name: str
) -> tuple[Measured, Measured] | None:
    """Both rounds' accuracy, "" standing for all skills; None where one has too few items to say anything."""
    one, other = ours.get(name), theirs.get(name)
    if one is None or other is None or min(one.n, other.n) < config.min_prompts:
        return None
    return one, other


def _error(one: Measured, other: Measured) -> float:
    return math.sqrt(sum(m.share * (1 - m.share) / m.n for m in (one, other)))
