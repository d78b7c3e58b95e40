"""`ratchet demo`: servers, seed, rounds, control arms, the last read, the report. All on this machine, and cleaned up.

The rounds run under kfp.local on one core, the control arms beside them on the other. Nothing here decides: the gate
does, in the rounds; this file starts processes, waits, and shows.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from ratchet import canonical, rounds, services
from ratchet.artifacts import ModelRef
from ratchet.begin.stage import as_ref
from ratchet.errors import RoundError
from ratchet.live import Live
from ratchet.local_run import LocalRun, run_rounds
from ratchet.loop import init_loop
from ratchet.registry import open_registry
from ratchet.report.collect import collect
from ratchet.report.final import CHAMPION, SEED, read_report_split
from ratchet.report.summary import summary
from ratchet.report.terminal import print_loop
from ratchet.report.view import LoopView
from ratchet.report.writing import write_loop_report
from ratchet.rounds import RoundEnd
from ratchet.settings import Settings
from ratchet.store import open_store
from ratchet.tinyworld.controls import results_key


@dataclass(frozen=True)
class DemoOptions:
    """`rounds` of `recipe` in the folder `out`; `keep` leaves the servers running; `controls` off runs rounds only."""

    out: Path
    rounds: int = 3
    recipe: str = "rft"
    loop: str = "demo"
    keep: bool = False
    controls: bool = True


def run_demo(options: DemoOptions, console: Console) -> LoopView:
    """Run the demo to its end and return what the report shows. Servers are stopped whatever happens, unless kept."""
    started = datetime.now(UTC)
    options.out.mkdir(parents=True, exist_ok=True)
    console.print("starting SeaweedFS (S3) and MLflow on free loopback ports ...", highlight=False)
    with services.start(options.out / "services") as running:
        environment = running.environment()
        os.environ.update(environment)
        settings = Settings.from_environment()
        options, left = _plan(settings, options)
        version = init_loop(settings, options.loop, "tinyworld")
        console.print(
            f"champion of loop {options.loop}: version {version.version} ({version.uri})",
            highlight=False,
            soft_wrap=True,
        )
        _rounds_and_controls(options, left, environment, console)
        models = _models(settings, options.loop)
        _last_read(settings, options.loop, models, console)
        view = _show(settings, options, started, console)
        if options.keep:
            running.keep()
            console.print(
                f"servers kept; S3 {environment['AWS_ENDPOINT_URL_S3']}, MLflow {environment['MLFLOW_TRACKING_URI']}",
                highlight=False,
            )
    return view


def _plan(settings: Settings, options: DemoOptions) -> tuple[DemoOptions, int]:
    """The loop to work on and how many rounds are left: an unfinished demo goes on, after a finished one a new loop begins."""
    store = open_store(settings.root)
    for number in itertools.count(1):
        loop = options.loop if number == 1 else f"{options.loop}-{number}"
        ends = [rounds.read_end(store, loop, n) for n in rounds.numbers(store, loop)]
        done = sum(end is not None and end.state != "FAILED" for end in ends)
        if done < options.rounds:
            return replace(options, loop=loop), options.rounds - done
    raise AssertionError("count never ends")


def _rounds_and_controls(options: DemoOptions, left: int, environment: Mapping[str, str], console: Console) -> None:
    run = LocalRun(options.loop, options.recipe, options.out, environment)
    beside = options.out / "controls.jsonl"
    for old in (run.progress, beside):
        old.unlink(missing_ok=True)
    arms = _start_controls(options, environment, beside) if options.controls else None
    try:
        with Live(console, {"round": run.progress, "controls": beside}) as live:
            run_rounds(run, left, resume=True, look=live.look, said=lambda end: live.ended("round", _sentence(end)))
            if arms is not None:
                _await(arms, live, options.out / "logs" / "controls.log")
    finally:
        if arms is not None and arms.poll() is None:
            os.killpg(arms.pid, signal.SIGKILL)
            arms.wait()


def _start_controls(options: DemoOptions, environment: Mapping[str, str], beside: Path) -> subprocess.Popen[bytes]:
    log = options.out / "logs" / "controls.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "ratchet.tinyworld.controls",
        "--loop",
        options.loop,
        "--rounds",
        str(options.rounds),
    ]
    fixed = {"RATCHET_PROGRESS": str(beside), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    env = {"OMP_NUM_THREADS": "1", **os.environ, **environment, **fixed}
    with log.open("wb") as output:
        return subprocess.Popen(command, env=env, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)


def _await(arms: subprocess.Popen[bytes], live: Live, log: Path) -> None:
    while arms.poll() is None:
        live.look()
        time.sleep(0.25)
    if arms.returncode != 0:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:])
        raise RoundError(f"the control arms failed (exit code {arms.returncode}); the end of {log}:\n{tail}")


def _sentence(end: RoundEnd) -> str:
    colour = {
        "PROMOTED": "green",
        "REFUSED": "yellow",
        "PENDING": "yellow",
        "STALE": "yellow",
        "STOPPED": "yellow",
    }.get(end.state, "red")
    return f"[bold {colour}]{end.state}[/] candidate {end.candidate or '-'}: {end.reason}"


def _models(settings: Settings, loop: str) -> dict[str, ModelRef]:
    """What the last read measures: the seed of round 1, today's champion, and the control arms."""
    store = open_store(settings.root)
    champion = open_registry(settings, store).champion(loop)
    if champion is None:
        raise RoundError(f"loop {loop} has lost its champion; `ratchet rollback --loop {loop}` sets one.")
    models = {SEED: rounds.read_round(store, loop, rounds.numbers(store, loop)[0]).seed, CHAMPION: as_ref(champion)}
    if store.stat(results_key(loop)) is not None:
        judged = canonical.loads(store.get(results_key(loop)))
        models |= {name: ModelRef.model_validate(one["model"]) for name, one in judged.items()}
    return models


def _last_read(settings: Settings, loop: str, models: Mapping[str, ModelRef], console: Console) -> None:
    store = open_store(settings.root)
    opened = rounds.read_round(store, loop, rounds.numbers(store, loop)[0])
    console.print("reading the report split, once ...", highlight=False)
    read_report_split(store, opened, models)


def _show(settings: Settings, options: DemoOptions, started: datetime, console: Console) -> LoopView:
    store = open_store(settings.root)
    view = collect(store, options.loop, started=started)
    (options.out / "summary.json").write_bytes(canonical.pretty(summary(view)))
    write_loop_report(store, view, options.out / "report.html")
    print_loop(view, console)
    console.print(f"\n{options.out / 'report.html'}   {options.out / 'summary.json'}", highlight=False)
    return view
