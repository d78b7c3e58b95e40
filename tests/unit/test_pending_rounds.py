"""A loop with a round that waits for a person: finish says so, begin refuses, `run --rounds N` ends there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ratchet import canonical, kfp_io, rounds
from ratchet.artifacts import Manifest
from ratchet.cli.app import app
from ratchet.errors import RoundError
from ratchet.evaluate import OUTCOMES, metrics
from ratchet.finish import finish
from ratchet.local_run import LocalRun, run_rounds
from ratchet.registry import lease as leases
from ratchet.registry import open_registry
from ratchet.registry.approval import Answer, answer
from ratchet.registry.base import Lineage
from ratchet.settings import Settings
from ratchet.stage import STEPS
from ratchet.status import loop_status
from ratchet.store import open_store
from ratchet.train.report import TRAIN_LOG
from tests.unit.loops import LOOP, RECIPE, leave, leave_all, model, new_loop, opened, stored_model
from tests.unit.registry.rows import LOG, outcomes, write
from tests.unit.test_local_run import pretend


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return new_loop(tmp_path)


def candidate(settings: Settings) -> None:
    ref = model(LOOP, "candidate")
    open_registry(settings, open_store(settings.root)).register(LOOP, ref.uri, ref.digest, Lineage())


def test_the_schedule_neither_promotes_what_waits_nor_opens_a_round_until_it_is_answered(settings: Settings) -> None:
    store = open_store(settings.root)
    ticket = opened(settings)
    candidate(settings)
    leave_all(store, ticket, "PENDING")
    assert finish(ticket.job, LOOP, settings).state == "PENDING"
    for night in (1, 2):
        with pytest.raises(RoundError, match="round 1 of loop mine waits for a person"):
            opened(settings, f"night-{night}")
    state = leases.read(store.sub(rounds.loop_prefix(LOOP)))
    assert state is not None
    assert state.released
    assert [one["state"] for one in loop_status(settings, LOOP)["rounds"]] == ["PENDING"]
    answer(open_registry(settings, store), store, LOOP, None, Answer(verdict="reject", by="ada"))
    assert opened(settings, "morning").number == 2
    assert [one["state"] for one in loop_status(settings, LOOP)["rounds"]] == ["REFUSED", "RUNNING"]


def test_finish_of_a_round_that_was_answered_meanwhile_takes_nothing_back(settings: Settings) -> None:
    store = open_store(settings.root)
    ticket = opened(settings)
    candidate(settings)
    leave_all(store, ticket, "PENDING")
    finish(ticket.job, LOOP, settings)
    _, end = answer(open_registry(settings, store), store, LOOP, None, Answer(verdict="approve", by="ada"))
    assert end.state == "PROMOTED"
    assert finish(ticket.job, LOOP, settings) == end


def test_a_run_of_many_rounds_ends_at_one_that_waits(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path
) -> None:
    pretend(monkeypatch, settings, "REFUSED", "PENDING", "REFUSED")
    run = LocalRun(LOOP, RECIPE, tmp_path / "runs", settings.environment())
    assert [end.state for end in run_rounds(run, 3)] == ["REFUSED", "PENDING"]
    assert rounds.numbers(open_store(settings.root), LOOP) == [1, 2]


class Artifact:
    """What a component gets of an artifact: its path, metadata, and what it logs."""

    def __init__(self, path: Path, content: object = None) -> None:
        self.path, self.metadata, self.logged = str(path), dict[str, Any](), dict[str, float]()
        if content is not None:
            path.write_bytes(canonical.pretty(content))

    def log_metric(self, name: str, value: float) -> None:
        self.logged[name] = value


HUMAN = RECIPE.replace("holdout: 2", "holdout: 27").replace(
    "promote: {min_items: 2}",
    "promote: {min_items: 9, decision: human, guards: {skill: null, chair_i: null, pass_at_k: null, yes_ratio: null}}",
)


def test_the_pipelines_last_tasks_end_well_while_a_round_waits_and_approve_promotes_afterwards(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    store = open_store(settings.root)
    ticket = opened(settings, recipe=HUMAN)
    place = rounds.round_prefix(LOOP, 1)
    rows = outcomes(wins=27, losses=0, right=0, wrong=0)
    made = stored_model(store, LOOP, "candidate")
    given: dict[str, Manifest] = {
        "train": write(
            store, f"{place}/train-{'0' * 12}", "train", TRAIN_LOG, LOG,
            {"model": made.model_dump(mode="json"), "report": {"curve": []}},
        ),
        "evaluate": write(store, f"{place}/evaluate-{'0' * 12}", "evaluate", OUTCOMES, rows, metrics.summary(rows)),
    }  # fmt: skip
    for stage in STEPS:
        if stage not in (*given, "promote"):
            leave(store, ticket, stage)
    parents = {name: Artifact(tmp_path / name, one.model_dump(mode="json")) for name, one in given.items()}
    decision, shown = Artifact(tmp_path / "decision"), Artifact(tmp_path / "metrics")
    begun = Artifact(tmp_path / "opened", ticket.model_dump(mode="json"))
    kfp_io.run_stage("promote", begun, parents, decision, shown)
    assert canonical.loads(Path(decision.path).read_bytes())["results"]["state"] == "PENDING"
    assert shown.logged["promote/decision/p_value"] < 0.001

    page, whole = Artifact(tmp_path / "page"), Artifact(tmp_path / "whole")
    said = kfp_io.end_round(ticket.job, LOOP, page, whole)
    assert Path(page.path).exists()
    assert said == f"PENDING: Waits for a person: `ratchet approve --loop {LOOP} --round 1` or `ratchet reject`."
    registry = open_registry(settings, store)
    assert registry.champion(LOOP).version == "1"

    done = CliRunner().invoke(app, ["approve", "--loop", LOOP, "--by", "ada", "--note", "looked at ten"])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("PROMOTED: round 1 of loop mine, approved by ada on ")
    assert registry.champion(LOOP).version == "2"
    again = kfp_io.end_round(ticket.job, LOOP, page, whole)
    assert again.startswith("PROMOTED: approved by ada on "), "the exit task, tried again, takes nothing back"
