"""The benchmarks' shape: what is named exists, bare scripts stay bare, results keep their schema. Nothing is timed."""

from __future__ import annotations

import json
import re
from importlib import import_module, util
from pathlib import Path

import pytest

from bench.__main__ import keep, kept, table
from bench.benchmarks import BENCHMARKS, Options, command
from bench.result import Result, load, machine, ratio

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"
LIGHT = {"verify", "store", "overhead", "demo", "memory"}


def row(name: str, measured: float = 1.0, quick: bool = False) -> dict[str, object]:
    shared = {"quick": quick, "load_before": load(), "load_after": load(), "machine": machine()}
    return {**Result(name, "what", 0.9, True, measured).row(), **shared}


@pytest.mark.parametrize("script", sorted(BENCH.glob("bare_*.py")), ids=lambda path: path.stem)
def test_a_bare_script_is_under_60_lines_and_measures_without_ratchet(script: Path) -> None:
    lines = script.read_text().splitlines()
    assert len(lines) < 60
    body = "\n".join(lines[: lines.index('if __name__ == "__main__":')])
    assert "ratchet" not in re.sub(r'^"""(.|\n)*?"""', "", body)


def test_every_benchmark_has_a_module_that_measures() -> None:
    for name, module in BENCHMARKS.items():
        assert util.find_spec(module) is not None
        if name in LIGHT:
            assert callable(import_module(module).measure)
        assert re.search(r"^def measure\(_?quick: bool\)", (ROOT / f"{module.replace('.', '/')}.py").read_text(), re.M)


def test_the_readme_lists_every_benchmark_with_its_command() -> None:
    listed = re.findall(r"^\| (\w+) \| [≥≤].* \| `([^`]+)` \|$", (BENCH / "README.md").read_text(), re.M)
    assert {name for name, _ in listed} == set(BENCHMARKS)
    assert all(said == command(name, Options(demo=True)) for name, said in listed)


def test_make_bench_runs_them_all() -> None:
    assert re.search(r"^bench:.*\n\t\$\(PY\) -m bench$", (ROOT / "Makefile").read_text(), re.M)


def test_the_scripts_and_files_that_the_readme_names_exist() -> None:
    text = (BENCH / "README.md").read_text()
    assert all((BENCH / name).is_file() for name in re.findall(r"`(\w+\.py)`", text))
    assert all(util.find_spec(name) for name in re.findall(r"python -m (bench\.\w+)", text))


def test_a_ratio_is_the_median_of_the_turns_and_knows_its_goal() -> None:
    slow = ratio("store put", "what", 0.9, [10.0, 10.0, 20.0], [5.0, 8.0, 20.0], "MiB/s")
    assert slow.measured == 0.8
    assert not slow.met
    assert Result("demo wall", "what", 600, False, 599.0).met


def test_results_keep_their_schema_and_what_was_measured_before(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    keep(file, [row("train sft loop")])
    keep(file, [row("train sft loop", 0.1, quick=True)])
    keep(file, [row("store put", 0.5), row("store get")])
    keep(file, [row("store put", 0.85)])
    assert [(one["name"], one["measured"], one["met"]) for one in kept(file) if not one["quick"]] == [
        ("store put", 0.85, False),
        ("train sft loop", 1.0, True),
    ]
    found = json.loads(file.read_text())
    assert found["schema"] == 1
    fields = {"name", "what", "goal", "at_least", "measured", "met", "unit", "turns", "bare", "ours", "detail"}
    assert fields <= set(found["results"][0])
    assert "NOT MET" in table(kept(file))
    assert {"cpu", "cores", "memory_gib", "threads"} <= set(machine())


def test_results_are_not_committed() -> None:
    assert "bench/results.json" in (ROOT / ".gitignore").read_text().splitlines()
