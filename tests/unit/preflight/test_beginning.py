"""begin asks first: before the lease, and with a table in words when something is missing."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path

import pytest

from ratchet import rounds
from ratchet.begin import BeginOptions, begin
from ratchet.errors import PreflightFailed
from ratchet.preflight.beginning import before_round
from ratchet.profile import Profile
from ratchet.recipe import load
from ratchet.registry import lease
from ratchet.settings import Settings
from ratchet.store import open_store
from tests.unit.loops import LOOP, new_loop, opened, with_champion
from tests.unit.preflight.checks import SMALL
from tests.unit.preflight.servers import saying, serving


def test_a_round_whose_champion_has_lost_its_files_is_not_begun_and_holds_no_lease(tmp_path: Path) -> None:
    settings = new_loop(tmp_path)
    store = open_store(settings.root)
    for one in list(store.list(f"models/{LOOP}/")):
        if one.uri.endswith("config.json"):
            store.delete(store.key(one.uri))
    with pytest.raises(PreflightFailed) as caught:
        opened(settings)
    words = str(caught.value)
    assert f"the round of loop {LOOP} was not begun: 1 of " in words
    assert "  champion  version 1 of mine: 1 of its files are missing in the store" in words
    assert "->  Restore the files, or go back: `ratchet rollback --loop mine" in words
    assert lease.read(store.sub(rounds.loop_prefix(LOOP))) is None
    assert rounds.numbers(store, LOOP) == []


def test_in_a_pod_the_variables_of_secrets_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = new_loop(tmp_path)
    profile = "{secrets: {keys: {id: A_VARIABLE_OF_OURS}}}"
    opened(settings, profile=profile)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(
        PreflightFailed, match=r"variables\s+not set in this pod, or empty: A_VARIABLE_OF_OURS \(from keys\)"
    ):
        opened(settings, profile=profile)


def test_warnings_are_said_and_stop_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = new_loop(tmp_path)
    with serving(saying(200, b"3.1.0")) as server, pytest.raises(PreflightFailed, match="experiment"):
        before_round(Settings(root=folder.root, registry=server.url), LOOP, "champion", load(SMALL), Profile())
    assert "preflight warns:\n  mlflow  MLflow 3.1.0" in capfd.readouterr().err


def test_begin_only_reads_the_registry(tmp_path: Path) -> None:
    """What it wrote would be a webhook at every round."""

    def decide(method: str, path: str, _: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        nothing = json.dumps({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"no {path}"}).encode()
        return (200, {}, b"3.17.2") if path == "/version" else (404 if method == "GET" else 500, {}, nothing)

    with serving(decide) as server:
        settings = Settings(root=new_loop(tmp_path).root, registry=server.url)
        answers = before_round(settings, LOOP, "champion", load(SMALL), Profile())
    found = {one.check: (one.result, one.seen) for one in answers}
    assert found["registry"] == ("ok", f"there is no registered model {LOOP} yet")
    assert found["experiment"] == ("ok", f"experiment {LOOP} is not there yet: the round makes it")
    assert {method for method, _ in server.asked} == {"GET"}


def test_begin_passes_on_real_servers_that_have_all(mlflow_uri: str, s3_root: str, tiny_seed: Path) -> None:
    loop = f"quick-{uuid.uuid4().hex[:8]}"
    settings = with_champion(Settings(root=s3_root, registry=mlflow_uri), loop)
    answers = before_round(settings, loop, "champion", load(SMALL), Profile())
    assert [one for one in answers if one.result == "fail"] == []
    assert {one.check for one in answers if one.result == "ok"} >= {
        "store",
        "conditions",
        "parts",
        "mlflow",
        "registry",
        "champion",
    }
    ticket = begin("job-1", BeginOptions(loop=loop, recipe=SMALL), settings)
    assert ticket.number == 1
