"""The alarms themselves: pure functions from a round's numbers and those of earlier rounds to what there is to say.

| alarm        | looks at                                        | fires when                                              |
|--------------|-------------------------------------------------|---------------------------------------------------------|
| precision    | audited precision, else what the votes promise  | below the floor                                         |
| amplified    | vote agreement, audited precision               | agreement rose and precision fell                       |
| entropy      | entropy of the answers                          | fell by a share                                         |
| diversity    | pass@k, pass rate                               | pass@k fell while the pass rate rose                    |
| yes_ratio    | share of yes                                    | moved away from one half                                |
| length       | mean tokens                                     | changed by a share                                      |
| unreadable   | unreadable and clipped answers                  | either share rose                                       |
| tail         | prompts that pass less than half the time       | their share of the solved ones fell by a share          |
| questions    | first words of self-asked questions             | their effective number fell by a share                  |
| conditioning | score of the verifier conditioning              | fell                                                    |
| hacking      | verifiers' mean score, the seed's holdout       | the score rose and the accuracy fell (before promotion) |
| skill_share  | kept rows by skill                              | one skill is nearly filtered away (before promotion)    |
| skill        | the candidate's skills on the holdout           | below the loop's first champion (before promotion)      |

A drift is measured against each of the earlier rounds given; the first that shows it is named.
"""

from __future__ import annotations

from collections.abc import Sequence

from ratchet.alarms.drifts import DRIFTS, Rule
from ratchet.alarms.holdout import hacking, skill, skill_share
from ratchet.alarms.saying import alarm, shown
from ratchet.alarms.seen import Alarm, Seen
from ratchet.recipe import AlarmsConfig
from ratchet.recipe.verifiers import VerifierBase


def before_training(
    now: Seen, earlier: Sequence[Seen], config: AlarmsConfig, verifiers: Sequence[VerifierBase] = ()
) -> list[Alarm]:
    """What the collected and verified answers give reason for. `earlier`: comparable rounds; `verifiers`: the recipe's."""
    found = [*_promises(now, verifiers), _precision(now, config)]
    return [one for one in (*found, *_drifts(DRIFTS, now, earlier, config)) if one is not None]


def before_promotion(now: Seen, earlier: Sequence[Seen], config: AlarmsConfig) -> list[Alarm]:
    """What the filtered rows and the holdout give reason for."""
    # The gate's guards compare skills with the champion of now; what creeps shows against the first one only.
    crept = _drifts((skill,), now, earlier[:1], config)
    found = [skill_share(now, config), *_drifts((hacking,), now, earlier, config), *crept]
    return [one for one in found if one is not None]


def _drifts(rules: Sequence[Rule], now: Seen, earlier: Sequence[Seen], config: AlarmsConfig) -> list[Alarm | None]:
    return [next((one for then in earlier if (one := rule(now, then, config)) is not None), None) for rule in rules]


def _precision(now: Seen, config: AlarmsConfig) -> Alarm | None:
    """The audit's word goes before the votes' own promise."""
    limits = config.precision
    if limits is None:
        return None
    if now.precision is not None:
        value, n = now.precision
        said = f"of what the verifiers pass, {shown(value)} is right on the audited slice"
    else:
        promised = now.vitals.promised if now.vitals is not None else {}
        if not promised:
            return None
        name, least = min(promised.items(), key=lambda one: one[1].precision)
        value, n = least.precision, least.groups
        said = f"the votes of {name} promise that at most {shown(value)} is right"
    if n < config.min_prompts or value >= limits.below:
        return None
    return alarm(
        "precision", limits, value, limits.below,
        f"{said}, below {shown(limits.below)} (alarms.precision.below): training on it would amplify errors",
        "Ask easier prompts, raise the floor of the vote, or add a verifier that knows more",
    )  # fmt: skip


def _promises(now: Seen, verifiers: Sequence[VerifierBase]) -> list[Alarm]:
    """A verifier may itself name the least precision that its votes must promise."""
    found = []
    for one in verifiers:
        least = getattr(one, "min_precision", None)
        promised = now.vitals.promised.get(one.called) if now.vitals is not None else None
        if least is None or promised is None or promised.precision >= least:
            continue
        words = f"the votes of {one.called} promise that at most {shown(promised.precision)} is right, below its min_precision {shown(least)}"
        found.append(
            Alarm(
                name=f"min_precision:{one.called}",
                action="stop",
                value=promised.precision,
                threshold=least,
                words=words,
                next=f"Ask easier prompts, or lower min_precision of {one.called}.",
            )
        )
    return found
