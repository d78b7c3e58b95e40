"""Pairs that another verifier sees the other way round: swapped or dropped. Pure.

Judge-free self-improvement (Deng et al. 2024) lets a contrastive scorer mend pairs whose rejected answer fits the picture
better than the chosen one; CSR (Zhou et al. 2024) calibrates its pairs in the same way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from ratchet.recipe import RepairConfig
from ratchet.records import Completion, Pair

SWAPPED, MISORDERED, UNCOMPARED = "swapped", "misordered", "uncompared"


class Repaired(NamedTuple):
    """The pairs that are left, and how many were swapped, dropped as misordered, or could not be compared."""

    pairs: tuple[Pair, ...]
    counts: Counter[str]


def repair(pairs: Sequence[Pair], completions: Sequence[Completion], config: RepairConfig) -> Repaired:
    """Compare the verifier's scores of both ends. A pair that it did not score on both sides stays, and is counted.

    A swapped pair's margin is that verifier's gap. Pairs of pictures have one text, which has no order: they stay.
    """
    scores = {c.index: _score(c, config.by) for c in completions}
    counts: Counter[str] = Counter()
    kept: list[Pair] = []
    for pair in pairs:
        chosen, rejected = scores[pair.chosen], scores[pair.rejected]
        if pair.kind != "text" or (chosen is not None and rejected is not None and chosen >= rejected):
            kept.append(pair)
        elif chosen is None or rejected is None:
            counts[UNCOMPARED] += 1
            kept.append(pair)
        elif config.do == "drop":
            counts[MISORDERED] += 1
        else:
            counts[SWAPPED] += 1
            kept.append(_swapped(pair, rejected - chosen, config.by))
    return Repaired(tuple(kept), counts)


def _score(completion: Completion, verifier: str) -> float | None:
    said = next((v for v in completion.verdicts if v.verifier == verifier), None)
    return None if said is None else said.score


def _swapped(pair: Pair, gap: float, by: str) -> Pair:
    ends = {"chosen": pair.rejected, "rejected": pair.chosen}
    return pair.model_copy(update={**ends, "margin": round(gap, 6), "reason": f"swapped_by_{by}"})
