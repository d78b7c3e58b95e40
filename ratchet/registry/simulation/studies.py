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
from ratchet.registry.simulation.worlds import SIZES

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
    taken for fresh), none (promote if better). `single`: one item a picture, and not one to three."""

    name: str
    scenario: Scenario
    fixed: bool
    loops: int
    rounds: int
    items: int
    policy: PromoteConfig
    gain: float = 0.0
    account: AccountKind = "carried"
    single: bool = False


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
    """The gates that are studied, by name; auto is the default."""
    plain = {name: PromoteConfig(guards=NO_GUARDS, test=name) for name in ("auto", "exact", "bootstrap")}
    wealth = PromoteConfig(
        guards=NO_GUARDS,
        test="betting",
        spending=SpendingConfig(kind="wealth"),
        holdout=HoldoutConfig(reuse="refused"),
    )
    return {**plain, "betting": wealth}


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
    sizes = (1,) if study.single else SIZES
    return play(
        rng,
        gate,
        items=study.items,
        rounds=study.rounds,
        fixed=study.fixed,
        gains=gains,
        until_promoted=stop,
        sizes=sizes,
    )


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
    """What `ratchet gate simulate` plays: how often each gate errs, then how soon each finds a gain.

    The default gate plays wherever a name says nothing else.
    """
    return [*_errors(loops, rounds, items), *_power(max(loops // 25, 20))]


def _errors(loops: int, rounds: int, items: int) -> list[Study]:
    known, some = policies(), max(loops // 10, 20)

    def study(name: str, scenario: Scenario, fixed: bool, test: str = "auto", **more: Any) -> Study:
        given: dict[str, Any] = {"loops": some, "rounds": rounds, "items": items, **more}
        told = name if test == "auto" else f"{name}, {test}"
        return Study(name=told, scenario=scenario, fixed=fixed, policy=known[test], **given)

    searched: dict[str, Any] = {"loops": max(loops // 40, 10), "rounds": 4 * rounds}
    few = max(loops // 100, 20)
    return [
        study("no gain, one fixed set", "null", True, loops=loops),
        study("no gain, fresh items", "null", False, loops=loops),
        study("no gain, one fixed set, one item a picture", "null", True, loops=loops, single=True),
        study("no gain, fresh items, one item a picture", "null", False, loops=loops, single=True),
        study("no gain, one fixed set, one item a picture, by the ledger", "null", True, loops=few, single=True, account="ledger"),
        study("no gain, one fixed set", "null", True, "exact", loops=loops),
        study("no gain, fresh items", "null", False, "exact", loops=loops),
        study("no gain, fresh items", "null", False, "betting"),
        study("gains between, one fixed set", "mixed", True),
        study("gains between, fresh items", "mixed", False),
        study("gains between, one fixed set", "mixed", True, "exact"),
        study("gains between, fresh items", "mixed", False, "exact"),
        study("gains between, fresh items", "mixed", False, "betting"),
        study("search that learns the set", "climb", True, **searched),
        study("search that learns the set, taken for fresh", "climb", True, account="uncounted", **searched),
        study("lopsided pictures, fresh items", "lopsided", False),
        study("lopsided pictures, fresh items", "lopsided", False, "exact"),
        study("lopsided pictures, fresh items", "lopsided", False, "bootstrap", loops=few, rounds=max(rounds // 5, 10)),
        study("lopsided pictures, fresh items", "lopsided", False, "betting"),
        study("no gain, promote if better", "null", True, account="none"),
        study("half a point worse, promote if better", "worse", False, account="none"),
        study("half a point worse, fresh items", "worse", False, "exact"),
    ]  # fmt: skip


def _power(loops: int) -> list[Study]:
    known, gains = policies(), (0.005, 0.01, 0.02, 0.03, 0.04, 0.05)

    def study(gain: float, test: str, told: str, single: bool = False) -> Study:
        return Study(
            name=f"gain {100 * gain:g} points, {told}", scenario="gain", fixed=False, policy=known[test], loops=loops, rounds=10,
            items=2000, gain=gain, single=single,
        )  # fmt: skip

    return [
        study(0.02, "auto", "one item a picture", single=True),
        *(study(gain, "auto", "items in pictures") for gain in (0.02, 0.03)),
        *(study(gain, test, test) for test in ("exact", "betting") for gain in gains),
    ]
