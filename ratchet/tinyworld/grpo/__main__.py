"""Run the study, or print what there is of it.

    python -m ratchet.tinyworld.grpo --out build/study-grpo
    python -m ratchet.tinyworld.grpo --out build/study-grpo --only table

One line of results.jsonl a run; a run that is there is not made again, so a study that was stopped goes on. A screen is a
smaller one: `--seconds 90 --seeds 1 --split validation`.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ratchet.tinyworld.grpo import running, table
from ratchet.tinyworld.grpo.configs import BY_NAME, CONTROLS, GRID
from ratchet.tinyworld.grpo.drawing import curves
from ratchet.tinyworld.world import SKILLS

log = logging.getLogger("ratchet.tinyworld.grpo")


def results(out: Path) -> list[dict[str, Any]]:
    """The lines of finished runs."""
    file = out / "results.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def keep(out: Path, line: dict[str, Any]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with (out / "results.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def study(out: Path, names: Sequence[str], seeds: Sequence[int], seconds: float, sizes: running.Sizes) -> None:
    """Every configuration with every random seed, seed by seed, so that a study that is stopped has all of the first."""
    _baseline(out, sizes)
    for seed in seeds:
        for name in names:
            key = (name, seed, seconds, sizes.split, sizes.asked)
            if any(_key(line) == key for line in results(out)):
                continue
            line = running.one(BY_NAME[name], seed, seconds, sizes, out / "pools")
            keep(out, line)
            log.info("%s, seed %d: %s steps, reward %s", name, seed, line["steps"], line["sampled"])


def best(lines: Sequence[dict[str, Any]], number: int, screen: float) -> list[str]:
    """The `number` configurations that gained most on validation with `screen` CPU-seconds, and the controls."""
    base = [line for line in lines if line["name"] == "seed" and line["split"] == "validation"]
    runs: dict[str, list[dict[str, Any]]] = {config.name: [] for config in GRID}
    for line in lines:
        if line["seconds"] == screen and line["split"] == "validation" and line["name"] in runs:
            runs[line["name"]].append(line)
    order = sorted((name for name in runs if runs[name]), key=lambda name: -table.gain(runs[name], base)[0])
    return [*order[:number], *(config.name for config in CONTROLS)]


def _key(line: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(line[name] for name in ("name", "seed", "seconds", "split", "asked"))


def _baseline(out: Path, sizes: running.Sizes) -> None:
    if not any(_key(line) == ("seed", 0, 0, sizes.split, sizes.asked) for line in results(out)):
        keep(out, running.baseline(sizes))


def written(out: Path) -> str:
    """All tables, one a budget and split, and curves.svg beside the results."""
    lines = results(out)
    parts = []
    for seconds, split in sorted({(line["seconds"], line["split"]) for line in lines if line["seconds"]}):
        asked = next(line["asked"] for line in lines if line["seconds"] == seconds and line["split"] == split)
        parts.append(
            f"{seconds:g} CPU-seconds a run, {asked} items of {split}\n\n{table.table(lines, seconds, split)}\n"
        )
    text = "\n".join(parts)
    if lines:
        (out / "table.md").write_text(text)
        (out / "curves.svg").write_text(curves(lines))
    return text


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m ratchet.tinyworld.grpo", description=__doc__.split("\n")[0])
    known = [*BY_NAME, "table"]
    parser.add_argument("--out", type=Path, default=Path("build/study-grpo"), metavar="DIR")
    parser.add_argument("--seconds", type=float, default=600.0, help="CPU-seconds a run, its sampling included")
    parser.add_argument("--seeds", type=int, default=3, help="runs a configuration")
    parser.add_argument("--only", nargs="*", choices=known, help="configurations; `table`: print what there is")
    parser.add_argument("--split", choices=("validation", "report"), default="report")
    parser.add_argument("--asked", type=int, default=500 * len(SKILLS), help="items measured at the end")
    parser.add_argument("--watched", type=int, default=100 * len(SKILLS), help="validation items a look; 0: no curves")
    parser.add_argument("--best", type=int, help="so many configurations, by their screen, and the controls")
    parser.add_argument("--screen", type=float, default=90.0, help="CPU-seconds of the screen that --best looks at")
    given = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    names = given.only or [config.name for config in (*GRID, *CONTROLS)]
    if given.best:
        names = best(results(given.out), given.best, given.screen)
    if names != ["table"]:
        sizes = running.Sizes(given.split, given.asked, given.watched)
        study(given.out, [name for name in names if name != "table"], range(given.seeds), given.seconds, sizes)
    sys.stdout.write(written(given.out))


if __name__ == "__main__":
    main()
