"""Does a loop of majority votes collapse, and do its alarms stop it? Rounds on the tiny world, with the guard on and off.

    python -m ratchet.tinyworld.collapse

One recipe, unchanged but for its seed. Guard on: the alarms act as the recipe says, and the loop ends where one stops it.
Guard off: every alarm only warns, so that the table shows what it would have prevented. In both the next round starts from
the last candidate, whatever the gate says: that is what a published loop does, and the gate alone would end it too.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratchet import alarms, recipe, rounds
from ratchet.alarms.seen import Seen, seen_in
from ratchet.artifacts import GROUPS, Artifact, Manifest, ModelRef
from ratchet.begin import BeginOptions
from ratchet.errors import RoundStopped
from ratchet.loop import init_loop, run_in_process
from ratchet.recipe import AlarmsConfig, Recipe
from ratchet.report.final import CHAMPION, SEED, read_report_split
from ratchet.settings import Settings
from ratchet.store import Store, open_store
from ratchet.verify.audit.showing import markdown
from ratchet.verify.judging import rights

log = logging.getLogger(__name__)
ARM_LOOP = "collapse"


@dataclass(frozen=True)
class Guarded:
    """Where the guard ended the loop of a seed; `stopped` None: nowhere in so many rounds."""

    seed: int
    rounds: int
    stopped: int | None = None
    words: str = ""


@dataclass(frozen=True)
class Line:
    """One round without guard. `trusted` of the `judged` prompts' majority answers are right; `kept_right` of what is learned.

    `accuracy` is the candidate's on the report items; `gain` and `total` are paired differences in points with their 95%
    interval: to the model that the round started from, and to the seed.
    """

    seed: int
    number: int
    seen: Seen
    trusted: float
    kept: int
    kept_right: float
    accuracy: float
    gain: tuple[float, float, float]
    total: tuple[float, float, float]
    gate: str
    alarms: tuple[str, ...]


def seeded(wanted: Recipe, seed: int) -> Recipe:
    """The recipe with another seed: other salts, so other prompts and other draws."""
    return wanted.model_copy(update={"seed": seed})


def unguarded(wanted: Recipe) -> Recipe:
    """The recipe with the same thresholds, and nothing stops."""
    raw = wanted.alarms.model_dump()
    warning = {name: {**one, "action": "warn"} if isinstance(one, dict) else one for name, one in raw.items()}
    verifiers = tuple(
        one.model_copy(update={"min_precision": None}) if getattr(one, "min_precision", None) is not None else one
        for one in wanted.verify.chosen
    )
    verify = wanted.verify.model_copy(update={"verifiers": verifiers or None})
    return wanted.model_copy(update={"alarms": AlarmsConfig.model_validate(warning), "verify": verify})


def with_guard(folder: Path, wanted: Recipe, count: int) -> Guarded:
    """Rounds as the recipe is, until one is stopped."""
    settings, loop = _loop(folder, wanted)
    version = "champion"
    for number in range(1, count + 1):
        try:
            end = run_in_process(settings, BeginOptions(loop=loop, recipe=recipe.dump(wanted), seed=version))
        except RoundStopped as stopped:
            return Guarded(wanted.seed or 0, count, number, str(stopped))
        if end.state == "STOPPED":
            return Guarded(wanted.seed or 0, count, number, end.reason)
        version = end.candidate or version
    return Guarded(wanted.seed or 0, count)


def without_guard(folder: Path, wanted: Recipe, count: int) -> list[Line]:
    """Rounds with alarms that only warn, each from the last one's candidate; then all models on the report items."""
    free = unguarded(wanted)
    settings, loop = _loop(folder, free)
    store = open_store(settings.root)
    version, models = "champion", dict[str, ModelRef]()
    for number in range(1, count + 1):
        end = run_in_process(settings, BeginOptions(loop=loop, recipe=recipe.dump(free), seed=version))
        done = rounds.manifests(store, loop, number)
        models[f"round {number}"] = ModelRef.model_validate(done["promote"].results["model"])
        version = end.candidate or version
        log.info("seed %s, round %d: %s", free.seed, number, end.state)
    first = rounds.read_round(store, loop, 1)
    read = read_report_split(store, first, {SEED: first.seed, CHAMPION: models[f"round {count}"], **models})
    return [_line(store, loop, free, number, read.results) for number in range(1, count + 1)]


def _loop(folder: Path, wanted: Recipe) -> tuple[Settings, str]:
    settings = Settings(root=str(folder), registry="store")
    loop = f"{ARM_LOOP}-{wanted.seed}"
    init_loop(settings, loop, "tinyworld")
    return settings, loop


def _line(store: Store, loop: str, wanted: Recipe, number: int, read: Mapping[str, Any]) -> Line:
    done = rounds.manifests(store, loop, number)
    judged, kept = _precision(store, done["verify"], False), _precision(store, done["filter"], True)
    now = f"round {number}"
    # What the round itself gained is told by its holdout: the last read compares with the seed alone.
    delta = done["promote"].results["decision"]["delta"]
    return Line(
        seed=wanted.seed or 0,
        number=number,
        seen=seen_in(number, wanted, done),
        trusted=judged[0],
        kept=kept[1],
        kept_right=kept[0],
        accuracy=100 * read["models"][now]["accuracy"],
        gain=_points(delta),
        total=_points(read["to_seed"][now]["delta"]),
        gate=done["promote"].results["state"],
        alarms=tuple(one.name for _, one in alarms.raised(store, loop, number)),
    )


def _points(delta: Mapping[str, float]) -> tuple[float, float, float]:
    return 100 * delta["delta"], 100 * delta["low"], 100 * delta["high"]


def _precision(store: Store, manifest: Manifest, kept: bool) -> tuple[float, int]:
    """Of the prompts whose majority answer passes (or is kept), the share where it is right by the prompt's own verifiers."""
    right = number = 0
    for table in Artifact.open(store, manifest.uri, GROUPS).tables():
        groups = GROUPS.rows(table)
        for group, marks in zip(groups, rights(groups), strict=True):
            chosen = (c.kept if kept else any(v.passed for v in c.verdicts) for c in group.completions)
            first = next((mark for take, mark in zip(chosen, marks, strict=True) if take), None)
            number += first is not None
            right += first is True
    return right / max(number, 1), number


def table(lines: Sequence[Line]) -> str:
    """Rounds without guard, as markdown."""
    head = ["seed", "round", "agreement", "entropy", "votes promise", "audited", "majority right", "kept", "kept right"]
    head += ["accuracy", "gain on the holdout", "gain to the seed", "gate", "alarms"]
    return markdown(head, map(_cells, lines))


def _cells(one: Line) -> list[str]:
    vitals = one.seen.vitals
    assert vitals is not None
    promised = next(iter(vitals.promised.values()), None)
    return [
        str(one.seed),
        str(one.number),
        f"{vitals.agreement:.3f}",
        f"{vitals.entropy:.3f}",
        f"{promised.precision:.3f}" if promised else "",
        f"{one.seen.precision.share:.3f}" if one.seen.precision else "",
        f"{one.trusted:.3f}",
        str(one.kept),
        f"{one.kept_right:.3f}",
        f"{one.accuracy:.1f}",
        _interval(one.gain),
        _interval(one.total),
        one.gate,
        ", ".join(one.alarms) or "none",
    ]


def _interval(points: tuple[float, float, float]) -> str:
    return f"{points[0]:+.1f} ({points[1]:+.1f} to {points[2]:+.1f})"


def guard_table(found: Iterable[Guarded]) -> str:
    """Where the guard stopped each seed's loop, as markdown."""
    lines = ([str(g.seed), str(g.stopped or f"not in {g.rounds}"), g.words] for g in found)
    return markdown(("seed", "stopped in round", "why"), lines)


def main(argv: list[str] | None = None) -> None:
    """Run the study from the command line."""
    parser = argparse.ArgumentParser(prog="python -m ratchet.tinyworld.collapse", description=__doc__.split("\n")[0])
    parser.add_argument("--recipe", default="majority")
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3], help="thresholds were frozen on 11, 12, 13")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--guard", choices=("on", "off", "both"), default="both")
    given = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    started = time.monotonic()
    for seed in given.seeds:
        wanted = seeded(recipe.load(given.recipe), seed)
        with tempfile.TemporaryDirectory(prefix="ratchet-collapse-") as folder:
            if given.guard != "off":
                guarded = [with_guard(Path(folder) / "on", wanted, given.rounds)]
                sys.stdout.write(f"{guard_table(guarded)}\n\n")
            if given.guard != "on":
                sys.stdout.write(f"{table(without_guard(Path(folder) / 'off', wanted, given.rounds))}\n\n")
            sys.stdout.flush()
    log.info("%.0f s", time.monotonic() - started)


if __name__ == "__main__":
    main()
