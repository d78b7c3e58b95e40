"""The GRPO study's arithmetic, its resuming, and one micro run."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from ratchet.tinyworld.grpo import __main__ as study
from ratchet.tinyworld.grpo import table
from ratchet.tinyworld.grpo.clock import Clock
from ratchet.tinyworld.grpo.configs import BASE, BY_NAME, CONTROLS, GRID
from ratchet.tinyworld.grpo.drawing import curves, mean_curves


def line(name: str, right: str, seed: int = 0, seconds: float = 600.0, **more: Any) -> dict[str, Any]:
    split = more.pop("split", "report")
    known = {"name": name, "seed": seed, "seconds": seconds, "split": split, "right": right, "steps": 4}
    return {**known, "asked": len(right), **more}


def test_the_grid_is_as_large_as_was_asked_and_every_name_is_another_configuration() -> None:
    assert len(GRID) >= 12
    assert len({config.changes for config in GRID}) == len(GRID)
    assert BASE.changes == "the base"
    assert BY_NAME["dr"].changes == "lr 0.0003, loss dr_grpo, scale none"
    assert {config.method for config in CONTROLS} == {"rft", "labels"}


def test_gains_are_paired_by_item_and_averaged_over_seeds() -> None:
    mean, half = table.gain([line("a", "1100"), line("a", "1000")], [line("seed", "0100")])
    # Means by item: 1, .5, 0, 0 against 0, 1, 0, 0: deltas in points 100, -50, 0, 0.
    assert mean == pytest.approx(12.5)
    assert half == pytest.approx(1.96 * 62.915 / 2, rel=1e-3)


def test_the_interval_between_seeds_is_students() -> None:
    base = [line("seed", "0000")]
    runs = [line("a", "1000"), line("a", "1100"), line("a", "1110")]
    # Gains 25, 50, 75: deviation 25, t(2, .975) = 4.3027.
    assert table.between(runs, base) == pytest.approx(4.3027 * 25 / 3**0.5, rel=1e-4)
    assert table.between(runs[:1], base) is None


def test_the_table_has_the_best_first_and_compares_with_rft() -> None:
    lines = [
        line("seed", "0000", seconds=0),
        line("base", "1000"),
        line("lr3", "1110"),
        line("rft", "1100"),
        line("k16", "11", seconds=90),
    ]
    text = table.table(lines, 600.0, "report").splitlines()
    assert [row.split("|")[1].strip() for row in text[2:]] == ["lr3", "rft", "base"]
    assert "+75.0" in text[2]
    assert "+25.0" in text[2].split("|")[7]
    assert table.table(lines, 600.0, "validation") == ""


def test_the_best_of_a_screen_are_chosen_on_validation_alone() -> None:
    lines = [
        line("seed", "00", seconds=0, split="validation"),
        line("base", "10", seconds=90.0, split="validation"),
        line("lr3", "11", seconds=90.0, split="validation"),
        line("dr", "00", seconds=90.0, split="validation"),
        line("k16", "11", seconds=600.0, split="report"),
    ]
    assert study.best(lines, 2, 90.0) == ["lr3", "base", "rft", "labels"]


def test_curves_are_averaged_over_seeds_and_drawn() -> None:
    lines = [
        line("base", "1", curve=[(0, 60.0), (100, 62.0)]),
        line("base", "1", seed=1, curve=[(0, 62.0), (110, 66.0), (200, 67.0)]),
        line("lr3", "1", seconds=90.0, curve=[(0, 1.0), (9, 2.0)]),
    ]
    assert mean_curves(lines) == {"base": [(0, 61.0), (105, 64.0)]}
    drawn = curves(lines)
    assert drawn.count("<polyline") == 1
    assert drawn.startswith("<svg ")
    assert curves([]).count("<polyline") == 0


def test_the_clock_leaves_out_what_only_looks_on_and_takes_in_what_was_spent_before() -> None:
    clock = Clock(100.0)
    before = clock.spent
    with clock.paused():
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass
    assert clock.spent < before + 0.04
    clock.charge(40.0)
    assert 40.0 <= clock.spent < 41.0
    assert clock.share == pytest.approx(0.4, abs=0.01)


def test_a_study_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, int]] = []

    def one(config: Any, seed: int, seconds: float, sizes: Any, _kept: Path) -> dict[str, Any]:
        made.append((config.name, seed))
        if len(made) == 3:
            raise KeyboardInterrupt
        return line(config.name, "10", seed, seconds, split=sizes.split, sampled=None)

    monkeypatch.setattr(study.running, "one", one)
    monkeypatch.setattr(study.running, "baseline", lambda sizes: line("seed", "00", seconds=0, split=sizes.split))
    given = ["--out", str(tmp_path), "--seconds", "5", "--seeds", "2", "--only", "base", "lr3", "--asked", "2"]
    with pytest.raises(KeyboardInterrupt):
        study.main(given)
    study.main(given)
    assert made == [("base", 0), ("lr3", 0), ("base", 1), ("base", 1), ("lr3", 1)]
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == 5
    assert "| base | the base | 2 |" in (tmp_path / "table.md").read_text()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_micro_run_of_every_kind_of_arm(tmp_path: Path) -> None:
    given = [
        "--out",
        str(tmp_path),
        "--seconds",
        "20",
        "--seeds",
        "1",
        "--split",
        "validation",
        "--asked",
        "18",
        "--watched",
        "9",
    ]
    study.main([*given, "--only", "unfiltered", "labels"])
    found = {one["name"]: one for one in map(json.loads, (tmp_path / "results.jsonl").read_text().splitlines())}
    assert set(found) == {"seed", "unfiltered", "labels"}
    assert found["unfiltered"]["steps"] > 0
    assert found["unfiltered"]["spent"] >= 20
    assert found["unfiltered"]["curve"][0][0] < 1
    assert len(found["labels"]["right"]) == 18
