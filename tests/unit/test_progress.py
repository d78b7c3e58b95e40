"""Progress events, and the terminal that shows them."""

from __future__ import annotations

import io
import multiprocessing
from pathlib import Path

import pytest
from rich.console import Console

from ratchet.live import EventFile, Live
from ratchet.progress import FileProgress, for_stage, silent


def test_without_the_variable_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RATCHET_PROGRESS", raising=False)
    assert for_stage("generate", 1) is silent
    silent(1, 2, "rows")


def test_an_event_tells_round_stage_and_how_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "progress.jsonl"
    monkeypatch.setenv("RATCHET_PROGRESS", str(file))
    for_stage("generate", 7)(3, 10, "rows", "half way")
    (event,) = EventFile(file).new()
    assert event.pop("time") > 0
    assert event == {
        "round": 7,
        "stage": "generate",
        "part": "",
        "done": 3,
        "total": 10,
        "unit": "rows",
        "note": "half way",
    }


def test_events_are_few_and_the_last_is_always_there(tmp_path: Path) -> None:
    file = tmp_path / "progress.jsonl"
    progress = FileProgress(str(file), "verify", 1)
    for done in range(1, 1001):
        progress(done, 1000, "rows")
    events = EventFile(file).new()
    assert len(events) < 100
    assert events[0]["done"] == 1
    assert events[-1]["done"] == 1000


def append(path: str, stage: str) -> None:
    progress = FileProgress(path, stage, 1)
    for _ in range(100):
        progress(1, 1, "rows", "x" * 50)


@pytest.mark.slow
def test_lines_of_several_processes_do_not_mix(tmp_path: Path) -> None:
    file = tmp_path / "progress.jsonl"
    spawn = multiprocessing.get_context("spawn")
    several = [spawn.Process(target=append, args=(str(file), f"stage-{n}")) for n in range(3)]
    for one in several:
        one.start()
    for one in several:
        one.join(240)
    stages = [event["stage"] for event in EventFile(file).new()]
    assert sorted(stages) == sorted(f"stage-{n}" for n in range(3) for _ in range(100))


def test_a_half_written_line_waits_for_its_end(tmp_path: Path) -> None:
    file = tmp_path / "progress.jsonl"
    events = EventFile(file)
    assert events.new() == []
    file.write_bytes(b'{"a": 1}\n{"b"')
    assert events.new() == [{"a": 1}]
    assert events.new() == []
    with file.open("ab") as more:
        more.write(b": 2}\n")
    assert events.new() == [{"b": 2}]


@pytest.mark.parametrize("terminal", [True, False])
def test_each_stage_leaves_one_line(tmp_path: Path, terminal: bool) -> None:
    file = tmp_path / "progress.jsonl"
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=100, color_system=None)
    with Live(console, {"round": file}) as live:
        for stage in ("generate", "verify"):
            progress = FileProgress(str(file), stage, 3)
            for done in range(3):
                progress(done + 1, 3, "rows")
            live.look()
        live.ended("round", "PROMOTED better")
    lines = out.getvalue().splitlines()
    for words in ("round 3  generate", "round 3  verify"):
        assert len([line for line in lines if words in line and line.rstrip().endswith(" s")]) >= 1
    if not terminal:
        assert [line.split()[3] for line in lines if line.startswith("round")] == ["generate", "verify"]
        assert "PROMOTED better" in lines
