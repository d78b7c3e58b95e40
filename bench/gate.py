"""The gate on 100,000 held-out items: its bootstrap, its exact test and its bet, from outcomes to a decision, on one core.

OMP_NUM_THREADS=1 python -m bench --only gate
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.result import Result, peak_mib
from ratchet.evaluate.outcomes import Outcome
from ratchet.recipe import PrimaryConfig, PromoteConfig
from ratchet.registry.evidence import side_by_side
from ratchet.registry.gate import decide, judge
from ratchet.resampling import cluster_bootstrap

ITEMS = 100_000
GOAL_SECONDS = 2.0
GOAL_DECIDE = 10.0
SKILLS = ("count", "locate", "compare")


def measure(quick: bool) -> list[Result]:
    items = ITEMS // 20 if quick else ITEMS
    ours, theirs, clusters = answers(items)
    bootstrap = cpu(lambda: cluster_bootstrap(ours > 0.5, theirs > 0.5, clusters))
    fractions = cpu(lambda: cluster_bootstrap(ours, theirs, clusters))
    rows = outcomes(ours, theirs, clusters)
    evidence = side_by_side(rows)
    tests = {
        f"{measure}, {test}": cpu(lambda policy=policy: judge(evidence, policy, 1))
        for measure in ("accuracy", "score")
        for test in ("exact", "bootstrap", "betting")
        for policy in [PromoteConfig(test=test, primary=PrimaryConfig(measure=measure))]
    }
    whole = cpu(lambda: decide(rows, PromoteConfig(), 1))
    return [
        Result("gate bootstrap", f"CPU-seconds to resample {items:,} items 10,000 times by cluster", GOAL_SECONDS, False,
               bootstrap, "s", detail={"fractional scores": fractions}),
        Result("gate decide", f"CPU-seconds of decide on the outcomes of {items:,} items, checks and guards included",
               GOAL_DECIDE, False, whole, "s", detail={"judged without the checks": tests, "peak MiB": peak_mib()}),
    ]  # fmt: skip


def answers(items: int) -> tuple[Any, Any, Any]:
    """Scores of candidate and champion, most of them alike, two items a picture."""
    rng = np.random.default_rng(7)
    theirs = rng.random(items)
    ours = np.where(rng.random(items) < 0.15, np.clip(rng.random(items) + 0.02, 0, 1), theirs)
    return ours, theirs, np.array([f"picture-{n // 2}" for n in range(items)])


def outcomes(ours: Any, theirs: Any, clusters: Any) -> list[Outcome]:
    return [
        Outcome(
            prompt_id=f"prompt-{n}", split_key=str(clusters[n]), skill=SKILLS[n % 3], role=role, text="an answer",
            correct=bool(score[n] > 0.5), score=float(score[n]), reason="match", unparsed=False, clipped=False,
            samples=4 if n % 10 == 0 else 0, samples_correct=2 if n % 10 == 0 else 0,
        )
        for role, score in (("champion", theirs), ("candidate", ours))
        for n in range(len(ours))
    ]  # fmt: skip


def cpu(work: Callable[[], Any]) -> float:
    """CPU-seconds of the best of two runs."""
    spent = []
    for _ in range(2):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent)
