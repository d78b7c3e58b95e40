"""Measure ratchet against bare scripts, print a table, and keep the numbers in bench/results.json.

    python -m bench [--only NAME ...] [--quick] [--demo]

What was measured before and is not measured now stays in results.json, with its own date, revision and load; quick
results stand beside the full ones.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.benchmarks import BENCHMARKS, Options, rows

RESULTS = Path(__file__).parent / "results.json"
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), default=list(BENCHMARKS), metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="small sizes, few turns: does it run, not how fast")
    parser.add_argument("--demo", action="store_true", help="run the whole demo; else its last run is read")
    given = parser.parse_args(arguments)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    failed = []
    for name in given.only:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            measured = rows(name, Options(given.quick, given.demo))
            keep(RESULTS, measured)
            if not measured:
                print(f"{name}: nothing to measure yet, see bench/README.md", file=sys.stderr)
        except Exception as error:
            failed.append(name)
            print(f"{name} failed: {type(error).__name__}: {error}", file=sys.stderr)
    print(table([row for row in kept(RESULTS) if benchmark(row) in given.only and row["quick"] == given.quick]))
    return 1 if failed else 0


def benchmark(row: dict[str, Any]) -> str:
    name: str = row["name"].split()[0]
    return name


def kept(file: Path) -> list[dict[str, Any]]:
    """What was measured last, in the order of the benchmarks."""
    found: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["results"] if file.exists() else []
    return sorted(found, key=lambda row: list(BENCHMARKS).index(benchmark(row)))


def keep(file: Path, measured: list[dict[str, Any]]) -> None:
    """Replace the rows of what was measured; quick ones replace only quick ones."""
    again = {(benchmark(row), row["quick"]) for row in measured}
    others = [row for row in kept(file) if (benchmark(row), row["quick"]) not in again]
    file.write_text(json.dumps({"schema": 1, "results": [*others, *measured]}, indent=1) + "\n", encoding="utf-8")


def table(found: list[dict[str, Any]]) -> str:
    """The rows for a terminal."""
    lines = [("benchmark", "goal", "measured", "", "load", "what")]
    for row in found:
        goal = f"{'>=' if row['at_least'] else '<='} {row['goal']:,g}"
        verdict = ("met" if row["met"] else "NOT MET") + " (quick)" * row["quick"]
        load = f"{row['load_before'][0]:.1f}, {row['load_after'][0]:.1f}"
        lines.append((row["name"], goal, f"{row['measured']:,g}", verdict, load, row["what"]))
    widths = [max(len(line[column]) for line in lines) for column in range(5)] + [0]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)


if __name__ == "__main__":
    sys.exit(main())
