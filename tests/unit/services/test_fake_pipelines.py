"""The fake API against the official client, kfp.Client: what that does with a real one works, and bad bodies are refused."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from ratchet.services.fake_pipelines import FakePipelines
from tests.pipelines import pipeline_file

ARGUMENTS = {"recipe": "rft", "loop": "mine"}


@pytest.fixture
def fake() -> Iterator[FakePipelines]:
    with FakePipelines() as running:
        yield running


@pytest.fixture
def official(fake: FakePipelines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    import kfp

    # It keeps the namespace of a user in the home folder.
    monkeypatch.setattr(kfp.Client, "_LOCAL_KFP_CONTEXT", str(tmp_path / "context.json"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kfp.Client(host=fake.url)


def test_the_official_client_uploads_runs_waits_and_schedules(
    official: Any, fake: FakePipelines, tmp_path: Path
) -> None:
    file = str(pipeline_file(tmp_path))
    experiment = official.create_experiment("mine")
    pipeline = official.upload_pipeline(file, pipeline_name="ratchet-gpu")
    version = official.upload_pipeline_version(file, "v2", pipeline_name="ratchet-gpu", description="second")
    assert official.get_pipeline_id("ratchet-gpu") == pipeline.pipeline_id
    names = [one.display_name for one in official.list_pipeline_versions(pipeline.pipeline_id).pipeline_versions]
    assert names == ["ratchet-gpu", "v2"]
    run = official.run_pipeline(
        experiment.experiment_id, "first", params=ARGUMENTS, pipeline_id=pipeline.pipeline_id,
        version_id=version.pipeline_version_id, service_account="ratchet",
    )  # fmt: skip
    fake.state.advance(run.run_id, "SUCCEEDED")
    assert official.wait_for_run_completion(run.run_id, timeout=5, sleep_duration=1).state == "SUCCEEDED"
    schedule = official.create_recurring_run(
        experiment.experiment_id, "nightly", cron_expression="0 0 2 * * *", params=ARGUMENTS, no_catchup=True,
        max_concurrency=1, pipeline_id=pipeline.pipeline_id, version_id=version.pipeline_version_id,
    )  # fmt: skip
    official.disable_recurring_run(schedule.recurring_run_id)
    assert fake.state.tick() == []
    official.enable_recurring_run(schedule.recurring_run_id)
    (ticked,) = fake.state.tick()
    assert official.get_run(ticked).recurring_run_id == schedule.recurring_run_id
    official.terminate_run(ticked)
    official.delete_recurring_run(schedule.recurring_run_id)
    assert official.list_recurring_runs(experiment_id=experiment.experiment_id).recurring_runs in (None, [])


def test_a_schedule_without_version_follows_the_newest(fake: FakePipelines, tmp_path: Path) -> None:
    content = pipeline_file(tmp_path).read_bytes()
    pipeline = fake.state.add(fake.state.pipelines, "pipeline_id", {"name": "p", "display_name": "p"})
    fake.state.upload(pipeline, "v1", "", content)
    body = {
        "display_name": "nightly",
        "pipeline_version_reference": {"pipeline_id": pipeline["pipeline_id"]},
        "runtime_config": {"parameters": ARGUMENTS},
        "trigger": {"cron_schedule": {"cron": "0 0 2 * * *"}},
        "mode": "ENABLE",
        "max_concurrency": "1",
    }
    assert asked(fake, "POST", "recurringruns", body)[0] == 200
    (first,) = fake.state.tick()
    assert fake.state.tick() == [], "one run at a time"
    fake.state.advance(first, "FAILED")
    newest = fake.state.upload(pipeline, "v2", "", content)
    (second,) = fake.state.tick()
    assert fake.state.runs[second]["pipeline_version_id"] == newest["pipeline_version_id"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"display_name": 7}, "display_name: 7 is no str"),
        ({"name": "x"}, "unknown field name"),
        ({"runtime_config": {"params": {}}}, "unknown field runtime_config.params"),
        ({"state": "DONE"}, "'DONE' is none of"),
        ({"state_history": {}}, "state_history: no list"),
        ({"display_name": "x"}, "pipeline_id is needed"),
        ([], "no V2beta1Run"),
    ],
)
def test_a_body_that_the_models_of_the_api_refuse_is_refused(fake: FakePipelines, body: Any, said: str) -> None:
    code, told = asked(fake, "POST", "runs", body)
    assert code == 400
    assert said in told["message"]
    assert fake.state.runs == {}


def test_what_the_fake_does_not_have_is_told(fake: FakePipelines) -> None:
    assert asked(fake, "GET", "visualizations")[0] == 404


def test_a_file_that_is_no_pipeline_is_refused(fake: FakePipelines) -> None:
    for content in (b"a: [", b"a: 1"):
        fields = {"uploadfile": ("round.yaml", content)}
        answer = urllib3.request("POST", f"{fake.url}/apis/v2beta1/pipelines/upload?name=x", fields=fields)
        assert answer.status == 400


def asked(fake: FakePipelines, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    answer = urllib3.request(method, f"{fake.url}/apis/v2beta1/{path}", json=body)
    return answer.status, answer.json()
