"""MLflow: a real server passes and keeps nothing of ours; one that is away, old, closed or strict is told."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping

import pytest
from mlflow import MlflowClient

from ratchet.preflight import Asked, Context, run_checks
from tests.unit.preflight.checks import answered, check, fails
from tests.unit.preflight.servers import saying, serving


def test_a_server_with_all_rights_passes_and_keeps_no_model(mlflow_uri: str) -> None:
    loop = f"preflight-{uuid.uuid4().hex[:8]}"
    checks = [check(name) for name in ("mlflow", "experiment", "registry")]
    answers = run_checks(checks, Context.gathered(Asked(loop=loop)))
    assert [one.result for one in answers] == ["ok"] * 3, answers
    client = MlflowClient(tracking_uri=mlflow_uri, registry_uri=mlflow_uri)
    assert [one.name for one in client.search_registered_models() if one.name.startswith("ratchet-preflight")] == []
    # The loop's own, which its first round would make.
    experiment = client.get_experiment_by_name(loop)
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    (answer,) = run_checks([check("experiment")], Context.gathered(Asked(loop=loop)))
    assert (answer.result, "mlflow experiments restore" in answer.fix) == ("fail", True)


@pytest.fixture
def s3(s3_root: str) -> str:
    return s3_root


@pytest.mark.parametrize("name", ["mlflow", "experiment", "registry"])
def test_a_registry_in_the_store_asks_no_server(s3: str, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("RATCHET_REGISTRY", "store")
    assert answered(name).result == "skipped"


@pytest.mark.parametrize(
    ("status", "body", "result", "said"),
    [
        (200, b"3.17.2", "ok", "MLflow 3.17.2"),
        (200, b"3.1.0", "warn", "has no webhooks"),
        (200, b"2.3.1", "fail", "MLflow 2.3.1"),
        (401, b"", "fail", "credentials are missing"),
        (200, b"<html>log in</html>", "fail", "no version: '<html>log in</html>'"),
        (502, b"bad gateway", "fail", "HTTP 502"),
    ],
)
def test_what_a_server_says_of_itself(
    s3: str, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, result: str, said: str
) -> None:
    with serving(saying(status, body)) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        answer = answered("mlflow")
    assert (answer.result, said in answer.seen) == (result, True), answer
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    assert "does not answer" in answered("mlflow").seen


@fails("mlflow")
def test_credentials_are_sent_and_not_told(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def decide(_: str, __: str, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        return (
            (200, {}, b"3.17.2") if headers.get("authorization") == "Bearer right-token" else (403, {}, b"wrong-token")
        )

    with serving(decide) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "right-token")
        assert answered("mlflow").result == "ok"
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "wrong-token")
        answer = answered("mlflow")
    assert (answer.result, "credentials are refused" in answer.seen, "wrong-token" in str(answer)) == (
        "fail",
        True,
        False,
    )


@fails("registry", "experiment")
def test_rights_that_are_missing_are_told(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    denial = json.dumps({"error_code": "PERMISSION_DENIED", "message": "Permission denied"}).encode()
    with serving(saying(403, denial)) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        for name, what in (("registry", "register a model"), ("experiment", "find or create experiments")):
            answer = answered(name)
            assert answer.result == "fail"
            assert f"MLflow does not let us {what}" in answer.seen
            assert "MLFLOW_TRACKING_USERNAME" in answer.fix
