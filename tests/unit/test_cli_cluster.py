"""The commands of a cluster against the fake API: what they print, and how they end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ratchet.operations import policy as policies
from ratchet.operations.policy import LoopPolicy, Stopped
from ratchet.platform.deploying import deploy_file
from ratchet.platform.places import Place
from ratchet.profile import Profile
from ratchet.services.fake_pipelines import FakePipelines, Fault
from ratchet.settings import Settings
from ratchet.store import open_store
from tests.pipelines import client, pipeline_file
from tests.program import Ratchet, program
from tests.unit.loops import LOOP, new_loop, opened

IMAGES = {name: f"registry.test/ratchet-{name}@sha256:{'0' * 64}" for name in ("core", "inference", "training")}


@pytest.fixture
def fake() -> Iterator[FakePipelines]:
    with FakePipelines() as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path, fake: FakePipelines, monkeypatch: pytest.MonkeyPatch) -> Settings:
    made = new_loop(tmp_path)
    profile = tmp_path / "gpu.yaml"
    profile.write_text(yaml.safe_dump({"name": "gpu", "images": IMAGES}))
    given = {**made.environment(), "RATCHET_PROFILE": str(profile), "KFP_ENDPOINT": fake.url, "COLUMNS": "300"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def ratchet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], settings: Settings) -> Ratchet:
    return program(monkeypatch, capsys)


@pytest.fixture
def deployed(fake: FakePipelines, tmp_path: Path) -> None:
    deploy_file(client(fake), Place.of(Profile(name="gpu")), pipeline_file(tmp_path))


@pytest.mark.usefixtures("deployed")
def test_a_round_is_submitted_listed_and_stopped(ratchet: Ratchet, fake: FakePipelines, settings: Settings) -> None:
    code, out, _ = ratchet("submit", "--loop", LOOP, "--recipe", "rft", "--key", "k", "--budget", "1.5", "--json")
    run = json.loads(out)["run"]
    assert code == 0
    assert fake.state.runs[run]["runtime_config"]["parameters"]["budget"] == 1.5
    assert json.loads(ratchet("submit", "--loop", LOOP, "--key", "k", "--json")[1]) == {
        "new": False,
        "run": run,
        "url": f"{fake.url}/#/runs/details/{run}",
    }
    opened(settings, run)
    (shown,) = json.loads(ratchet("runs", "--loop", LOOP, "--json")[1])
    assert (shown["run"], shown["round"], shown["by"]) == (run, 1, "person")
    assert run in ratchet("runs", "--loop", LOOP)[1]
    code, out, _ = ratchet("stop", run, "--why", "wrong recipe")
    assert (code, "FAILED: cancelled: wrong recipe" in out) == (0, True)


@pytest.mark.usefixtures("deployed")
def test_a_recipe_file_travels_as_its_text(ratchet: Ratchet, fake: FakePipelines, tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("{name: own, seed: 7}\n")
    assert ratchet("submit", "--loop", LOOP, "--recipe", str(file))[0] == 0
    (run,) = fake.state.runs.values()
    assert run["runtime_config"]["parameters"]["recipe"] == "{name: own, seed: 7}\n"


@pytest.mark.usefixtures("deployed")
def test_waiting_ends_as_the_round_ended(ratchet: Ratchet, fake: FakePipelines) -> None:
    fake.state.started = lambda run: fake.state.advance(run["run_id"], "FAILED", "no luck")
    code, _, err = ratchet("submit", "--loop", LOOP, "--wait")
    assert code == 9
    assert "ended as failed and no round of loop mine ended by it; `ratchet logs" in err


def test_a_bad_recipe_or_a_stopped_loop_asks_nothing_of_the_server(
    ratchet: Ratchet, fake: FakePipelines, settings: Settings
) -> None:
    assert ratchet("submit", "--loop", LOOP, "--recipe", "{name: x, nothing: 1}")[0] == 2
    policies.stop(open_store(settings.root), LOOP, Stopped(why="enough rounds", rule="rounds", after=9))
    code, _, err = ratchet("submit", "--loop", LOOP)
    assert (code, "enough rounds" in err, fake.requests) == (9, True, [])


def test_a_server_that_refuses_ends_the_command_with_its_exit_code(ratchet: Ratchet, fake: FakePipelines) -> None:
    fake.faults.append(Fault(401))
    code, _, err = ratchet("runs", "--loop", LOOP)
    assert (code, "does not know us" in err) == (11, True)


@pytest.mark.usefixtures("deployed")
def test_a_schedule_goes_through_its_life(ratchet: Ratchet, fake: FakePipelines) -> None:
    made = json.loads(
        ratchet("schedule", "ensure", "--loop", LOOP, "--cron", "0 2 * * *", "--recipe", "rft", "--json")[1]
    )
    assert (made["made"], made["enabled"], made["cron"]) == (True, True, "0 0 2 * * *")
    assert "as it was" in ratchet("schedule", "ensure", "--loop", LOOP)[1]
    (shown,) = json.loads(ratchet("schedule", "show", "--loop", LOOP, "--json")[1])
    assert shown["stands"] == "as wanted"
    assert made["schedule"] in ratchet("schedule", "pause", "--loop", LOOP)[1]
    assert fake.state.tick() == []
    assert ratchet("schedule", "resume", "--loop", LOOP)[0] == 0
    (run,) = fake.state.tick()
    waits = ratchet("schedule", "delete", "--loop", LOOP)[1]
    assert "deleted: none yet" in waits
    assert f"stays until run {run} has ended" in waits
    assert f"stays until run {run} has ended" in ratchet("schedule", "show", "--loop", LOOP)[1]
    assert fake.state.tick() == []
    ended = ratchet("schedule", "delete", "--loop", LOOP, "--now")[1]
    assert made["schedule"] in ended
    assert f"`ratchet stop {run}` ends its round" in ended
    assert "has no schedule" in ratchet("schedule", "show", "--loop", LOOP)[1]


def test_the_trigger_keeps_its_loop(ratchet: Ratchet, settings: Settings) -> None:
    policies.write_policy(open_store(settings.root), LOOP, LoopPolicy(owner="trigger", recipe="rft"))
    code, _, err = ratchet("schedule", "ensure", "--loop", LOOP, "--cron", "@daily")
    assert (code, "belongs to its trigger" in err) == (9, True)


def test_one_command_opens_a_loop_on_a_cluster_and_given_again_changes_nothing(
    ratchet: Ratchet, fake: FakePipelines
) -> None:
    command = ("init", "--loop", LOOP, "--seed", "tinyworld", "--schedule", "0 2 * * *", "--recipe", "rft")
    first, again = ratchet(*command), ratchet(*command)
    assert (first[0], again[0]) == (0, 0)
    assert "uploaded" in first[1]
    assert "unchanged" in again[1]
    assert "as it was" in again[1]
    assert [len(kind) for kind in (fake.state.experiments, fake.state.versions, fake.state.recurring)] == [1, 1, 1]


def test_a_prompt_set_that_the_store_lacks_is_told_before_anything_is_uploaded(
    ratchet: Ratchet, fake: FakePipelines
) -> None:
    code, _, err = ratchet("init", "--loop", LOOP, "--seed", "tinyworld", "--schedule", "@daily", "--prompts", "charts")
    assert (code, "charts" in err, fake.state.pipelines) == (3, True, {})


def test_images_of_the_command_line_are_deployed_and_a_tag_only_when_told(
    ratchet: Ratchet, fake: FakePipelines
) -> None:
    given = ("deploy", "--image", "training=registry.test/mine:dev")
    code, _, err = ratchet(*given)
    assert (code, "without a digest" in err, fake.state.pipelines) == (2, True, {})
    assert ratchet(*given, "--allow-tags")[0] == 0
    (version,) = fake.state.versions.values()
    spec = json.dumps(version["pipeline_spec"])
    assert "registry.test/mine:dev" in spec
    assert IMAGES["core"] in spec
    assert IMAGES["training"] not in spec
    assert ratchet("deploy", "--image", "nothing=registry.test/mine:dev")[0] == 2


def test_a_profile_of_this_machine_is_not_deployed(ratchet: Ratchet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RATCHET_PROFILE")
    code, _, err = ratchet("deploy")
    assert (code, "this machine's own environment" in err) == (2, True)


def test_stop_wants_a_run_or_a_loop(ratchet: Ratchet) -> None:
    assert ratchet("stop")[0] == 2


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize("columns", [None, "40", "80"])
def test_a_runs_id_can_be_copied_from_a_pipe_and_from_a_narrow_terminal(
    ratchet: Ratchet, columns: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = json.loads(ratchet("submit", "--loop", LOOP, "--json")[1])["run"]
    if columns is None:
        monkeypatch.delenv("COLUMNS")
    else:
        monkeypatch.setenv("COLUMNS", columns)
    lines = ratchet("runs", "--loop", LOOP)[1].splitlines()
    assert run in lines[1]
    assert columns is None or max(map(len, lines)) <= int(columns)
