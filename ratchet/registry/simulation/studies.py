"""The studies of docs/gate.md: thousands of loops, what share of them is ever wrong, and how soon a true gain is found."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ratchet.progress import Progress, silent
from ratchet.recipe import GuardsConfig, HoldoutConfig, PromoteConfig, SpendingConfig
from ratchet.records import Record
from ratchet.registry.simulation.account import Account, Carried, IfBetter, Ledgered
from ratchet.registry.simulation.loops import Gate, Played, climb, lopsided, play

Scenario = Literal["null", "mixed", "worse", "lopsided", "climb", "gain"]
BATCH = 50
MIXED = ((0.06, 0.3), (0.0, 0.5), (-0.01, 0.2))
"""True gains of a mixed loop's candidates, with their chances."""
WORSE = ((-0.005, 1.0),)
NO_GUARDS = GuardsConfig(skill=None, chair_i=None, pass_at_k=None, yes_ratio=None)
"""Guards can only refuse: without them the gate errs most."""
AccountKind = Literal["carried", "ledger", "uncounted", "none"]


class Study(Record):
    """One row of the tables. `account`: carried or ledger (the same decisions), uncounted (a set that is looked at again is
    taken for fresh), none (promote if better)."""

    name: str
    scenario: Scenario
    fixed: bool
    loops: int
    rounds: int
    items: int
    policy: PromoteConfig
    gain: float = 0.0
    account: AccountKind = "carried"


class Share(Record):
    """So many of `of` loops, and the upper end of the one-sided 95% interval (Clopper and Pearson 1934)."""

    count: int
    of: int
    share: float
    upper: float


class Result(Record):
    """What a study's loops did. `wrong`: loops that ever promoted a candidate that was not better; `within`: share that had
    promoted by round 1, 5 and 10; means are over loops."""

    study: Study
    wrong: Share
    ever: Share
    within: dict[str, float]
    promotions: float
    change: float


@dataclass(frozen=True)
class _Batch:
    study: Study
    seed: int
    first: int
    loops: int


def upper_bound(count: int, of: int, confidence: float = 0.95) -> float:
    """Clopper and Pearson's exact upper bound of a share."""
    from scipy.special import betaincinv

    return 1.0 if count >= of else float(betaincinv(count + 1, of - count, confidence))


def policies() -> dict[str, PromoteConfig]:
    """The gates that are studied, by name."""
    plain = PromoteConfig(guards=NO_GUARDS)
    wealth = PromoteConfig(
        guards=NO_GUARDS,
        test="betting",
        spending=SpendingConfig(kind="wealth"),
        holdout=HoldoutConfig(reuse="refused"),
    )
    return {"exact": plain, "betting": wealth}


def simulate(study: Study, seed: int, workers: int = 1, progress: Progress = silent) -> Result:
    """Play all loops of a study. The same seed gives the same result, whatever the number of workers."""
    batches = [_Batch(study, seed, first, min(BATCH, study.loops - first)) for first in range(0, study.loops, BATCH)]
    played: list[Played] = []
    if workers == 1:
        for number, batch in enumerate(batches):
            played += _run(batch)
            progress(number + 1, len(batches), "batches of loops", study.name)
        return _result(study, played)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        for number, found in enumerate(pool.map(_run, batches)):
            played += found
            progress(number + 1, len(batches), "batches of loops", study.name)
    return _result(study, played)


def _run(batch: _Batch) -> list[Played]:
    numbers = range(batch.first, batch.first + batch.loops)
    return [one_loop(batch.study, np.random.default_rng([batch.seed, number])) for number in numbers]


def one_loop(study: Study, rng: np.random.Generator) -> Played:
    gate = gate_of(study)
    if study.scenario == "climb":
        counted = study.account != "uncounted"
        return climb(rng, gate, study.policy, items=study.items, rounds=study.rounds, counted=counted)
    if study.scenario == "lopsided":
        return lopsided(rng, gate, items=study.items, rounds=study.rounds)
    gains = {"mixed": MIXED, "worse": WORSE, "gain": ((study.gain, 1.0),)}.get(study.scenario, ((0.0, 1.0),))
    # A loop of which one wrong promotion is counted need not go on after it.
    stop = study.scenario == "gain" or (study.scenario == "null" and study.account != "none")
    return play(rng, gate, items=study.items, rounds=study.rounds, fixed=study.fixed, gains=gains, until_promoted=stop)


def gate_of(study: Study) -> Gate:
    """The gate with a new account, as a function of the evidence."""
    if study.account == "none":
        return IfBetter().better
    account: Account
    if study.account == "ledger":
        account = Ledgered(study.policy, same_items=study.fixed)
    else:
        account = Carried(study.policy, same_items=study.fixed and study.account == "carried")
    return lambda evidence: account.look(evidence).promote


def _result(study: Study, played: Sequence[Played]) -> Result:
    firsts = [one.first for one in played]
    return Result(
        study=study,
        wrong=_share([one.wrong for one in played]),
        ever=_share([first is not None for first in firsts]),
        within={str(by): sum(first is not None and first <= by for first in firsts) / len(firsts) for by in (1, 5, 10)},
        promotions=float(np.mean([one.promotions for one in played])),
        change=float(np.mean([one.change for one in played])),
    )


def _share(found: Sequence[bool]) -> Share:
    count, of = sum(found), len(found)
    return Share(count=count, of=of, share=count / of, upper=upper_bound(count, of))


def studies(loops: int, rounds: int, items: int) -> list[Study]:
    """What `ratchet gate simulate` plays: how often each gate errs, then how soon each finds a gain."""
    exact, betting = policies().values()

    def study(name: str, scenario: Scenario, fixed: bool, policy: PromoteConfig = exact, **more: Any) -> Study:
        given: dict[str, Any] = {"loops": loops, "rounds": rounds, "items": items, **more}
        return Study(name=name, scenario=scenario, fixed=fixed, policy=policy, **given)

    some = max(loops // 10, 20)
    searched: dict[str, Any] = {"loops": max(loops // 40, 10), "rounds": 4 * rounds}
    errors = [
        study("no gain, one fixed set", "null", True),
        study("no gain, fresh items", "null", False),
        study("no gain, fresh items, betting", "null", False, betting, loops=some),
        study("gains between, one fixed set", "mixed", True, loops=some),
        study("gains between, fresh items", "mixed", False, loops=some),
        study("gains between, fresh items, betting", "mixed", False, betting, loops=some),
        study("search that learns the set", "climb", True, **searched),
        study("search that learns the set, taken for fresh", "climb", True, account="uncounted", **searched),
        study("lopsided pictures, fresh items", "lopsided", False, loops=some),
        study("lopsided pictures, fresh items, betting", "lopsided", False, betting, loops=some),
        study("no gain, promote if better", "null", True, loops=some, account="none"),
        study("half a point worse, promote if better", "worse", False, loops=some, account="none"),
        study("half a point worse, fresh items", "worse", False, loops=some),
    ]
    few = max(loops // 25, 20)
    power = [
        study(f"gain {100 * gain:g} points, {name}", "gain", False, policy, loops=few, rounds=10, items=2000, gain=gain)
        for name, policy in policies().items()
        for gain in (0.005, 0.01, 0.02, 0.03, 0.04, 0.05)
    ]
    return [*errors, *power]
