"""Two workers over one in the stage verify: a panel of rules, many shards, wall seconds, start of the processes included.

python -m bench.workers
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from bench.result import Result, load
from bench.verify_filter import Size, Spent, make_groups, one_core, open_round, timed
from ratchet.recipe import VerifyConfig
from ratchet.store import open_store
from ratchet.verify.workers import VARIABLE

GOAL = 1.7
PANEL = {"verifiers": ["prompt", "exact", "numeric", "yes_no"], "policy": "mean", "threshold": 0.5}


def measure(quick: bool) -> list[Result]:
    """The ratio of wall seconds, turn by turn: one worker, then two."""
    size, turns = Size(4_000 if quick else 100_000, shard_size=1000), 2 if quick else 5
    one_core()
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(folder)
        opened = open_round(store)
        recipe = opened.recipe.model_copy(update={"verify": VerifyConfig.model_validate(PANEL)})
        opened = opened.model_copy(update={"recipe": recipe})
        made = make_groups(store, opened, size)
        spent: dict[int, list[Spent]] = {1: [], 2: []}
        loads = []
        for turn in range(turns):
            for count in (1, 2) if turn % 2 == 0 else (2, 1):
                with using(count):
                    # Another salt each time: a stage that is complete would return at once.
                    again = opened.model_copy(update={"salt": f"{turn}-{count}"})
                    before = children_seconds()
                    one = timed("verify", store, again, {"generate": made})[1]
                    spent[count].append(Spent(one.wall, one.cpu + children_seconds() - before))
            loads.append(load()[0])
    rates = {count: [size.groups * size.k / one.wall for one in some] for count, some in spent.items()}
    ratios = [two / one for one, two in zip(rates[1], rates[2], strict=True)]
    what = f"two workers over one, {size.groups:,} groups of {size.k}, {len(PANEL['verifiers'])} rules, by wall"
    # What the ratio would be with a core each: a busy machine shows its neighbours' load in the walls.
    by_cpu = [2 * one.cpu / two.cpu for one, two in zip(spent[1], spent[2], strict=True)]
    detail = {"groups": size.groups, "k": size.k, "panel": PANEL, "loads": loads, "by_cpu": by_cpu}
    middle = sorted(ratios)[len(ratios) // 2]
    return [
        Result("workers", what, GOAL, True, middle, "ratio of completions/s", ratios, rates[1], rates[2], detail=detail)
    ]


def children_seconds() -> float:
    """CPU seconds of the processes that have ended and were waited for."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


@contextmanager
def using(count: int) -> Iterator[None]:
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(count)
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    (found,) = measure(parser.parse_args().quick)
    print(found.what, found.measured, found.turns, found.bare, found.ours, found.detail)


if __name__ == "__main__":
    main()
