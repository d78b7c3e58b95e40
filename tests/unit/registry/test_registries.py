"""What every registry keeps, on the store and on a real MLflow server; and an MLflow that is not there."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Iterator
from urllib.request import urlopen

import pytest

from ratchet.errors import RegistryError, RegistryUnavailable
from ratchet.registry import Registry, open_registry
from ratchet.registry.base import DIGEST, ROUND, Lineage
from ratchet.registry.mlflow_registry import MlflowRegistry
from ratchet.settings import Settings
from ratchet.store import open_store

DIGESTS = [f"{n}" * 64 for n in range(5)]
LINEAGE = Lineage(
    tags={ROUND: "3", "ratchet.loop": "x"},
    params={"train/method": "sft", "long": "y" * 9000},
    metrics={"evaluate/skill/left, right (of)": 0.5},
    datasets=(("holdout", "s3://b/holdout", "d" * 64),),
)


@pytest.fixture(params=["store", pytest.param("mlflow", marks=pytest.mark.slow)])
def registry(request: pytest.FixtureRequest, tmp_path) -> Iterator[Registry]:
    if request.param == "store":
        return open_registry(Settings(root=str(tmp_path), registry="store"), open_store(str(tmp_path)))
    return MlflowRegistry(request.getfixturevalue("mlflow_uri"))


@pytest.fixture
def name() -> str:
    return f"loop-{uuid.uuid4().hex[:10]}"


def test_an_unknown_model_has_no_champion_and_no_versions(registry, name):
    assert registry.champion(name) is None
    assert registry.versions(name) == []
    with pytest.raises(RegistryError, match=r"version.*7"):
        registry.version(name, "7")


def test_registering_again_adds_nothing(registry, name):
    first = registry.register(name, "s3://b/one", DIGESTS[1], LINEAGE)
    again = registry.register(name, "s3://b/one", DIGESTS[1], LINEAGE)
    other_round = registry.register(name, "s3://b/one", DIGESTS[1], Lineage(tags={ROUND: "4"}))
    other_model = registry.register(name, "s3://b/two", DIGESTS[2], LINEAGE)
    assert [v.version for v in (first, again, other_round, other_model)] == ["1", "1", "2", "3"]
    assert [v.version for v in registry.versions(name)] == ["1", "2", "3"]
    found = registry.version(name, "1")
    assert (found.name, found.uri, found.digest) == (name, "s3://b/one", DIGESTS[1])
    assert found.tags == {**LINEAGE.tags, DIGEST: DIGESTS[1]}
    assert registry.champion(name) is None


def test_the_alias_moves_only_from_where_it_is_expected(registry, name):
    for digest in DIGESTS[:3]:
        registry.register(name, "s3://b/x", digest)
    assert not registry.set_champion(name, "2", expected="1")
    assert registry.champion(name) is None
    assert registry.set_champion(name, "1", expected=None)
    assert not registry.set_champion(name, "2", expected=None)
    assert registry.champion(name).version == "1"
    assert registry.set_champion(name, "3", expected="1")
    assert registry.champion(name).digest == DIGESTS[2]
    with pytest.raises(RegistryError, match="9"):
        registry.set_champion(name, "9", expected="3")
    assert registry.champion(name).version == "3"


def test_tags_are_added_and_changed_and_metrics_are_logged(registry, name):
    registry.register(name, "s3://b/x", DIGESTS[1], LINEAGE)
    registry.set_tags(name, "1", {"a": "b", ROUND: "3"})
    registry.set_tags(name, "1", {"a": "c"})
    registry.log_metrics(name, "1", {"gate/p_value": 0.25})
    assert registry.version(name, "1").tags == {**LINEAGE.tags, DIGEST: DIGESTS[1], "a": "c"}


def test_the_store_keeps_metrics(tmp_path, name):
    registry = open_registry(Settings(root=str(tmp_path), registry="store"), open_store(str(tmp_path)))
    registry.register(name, "s3://b/x", DIGESTS[1], LINEAGE)
    registry.log_metrics(name, "1", {"gate/p_value": 0.25})
    assert registry.metrics(name, "1") == {**LINEAGE.metrics, "gate/p_value": 0.25}


@pytest.mark.slow
def test_mlflow_shows_the_run_with_params_metrics_and_data(mlflow_uri, name, monkeypatch):
    from mlflow import MlflowClient

    registry, client = MlflowRegistry(mlflow_uri), MlflowClient(mlflow_uri)
    registry.register(name, "s3://b/x", DIGESTS[1], LINEAGE)
    registry.log_metrics(name, "1", {"gate/p_value": 0.25})
    run = client.get_run(client.get_model_version(name, "1").run_id)
    assert (run.info.run_name, run.info.status) == ("round-0003", "FINISHED")
    assert client.get_experiment(run.info.experiment_id).name == name
    assert run.data.params["train/method"] == "sft"
    assert run.data.metrics == {"evaluate/skill/left_ right _of_": 0.5, "gate/p_value": 0.25}
    assert [i.dataset.source for i in run.inputs.dataset_inputs] == ["s3://b/holdout"]


@pytest.mark.slow
def test_mlflow_logs_into_the_run_that_the_pipeline_gives(mlflow_uri, name, monkeypatch):
    from mlflow import MlflowClient

    client = MlflowClient(mlflow_uri)
    run = client.create_run(client.create_experiment(f"{name}-given")).info.run_id
    client.log_param(run, "train/method", "dpo")
    monkeypatch.setenv("MLFLOW_RUN_ID", run)
    MlflowRegistry(mlflow_uri).register(name, "s3://b/x", DIGESTS[1], LINEAGE)
    assert client.get_model_version(name, "1").run_id == run
    given = client.get_run(run)
    assert (given.info.status, given.data.params["train/method"]) == ("RUNNING", "dpo")


@pytest.mark.slow
def test_a_retry_finds_the_run_that_a_killed_registration_left(mlflow_uri, name, monkeypatch):
    from mlflow import MlflowClient

    client = MlflowClient(mlflow_uri)
    registry = MlflowRegistry(mlflow_uri)
    real = registry._client.create_model_version

    def killed(*arguments, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr(registry._client, "create_model_version", killed)
    with pytest.raises(KeyboardInterrupt):
        registry.register(name, "s3://b/x", DIGESTS[1], LINEAGE)
    monkeypatch.setattr(registry._client, "create_model_version", real)
    made = registry.register(name, "s3://b/x", DIGESTS[1], LINEAGE)
    assert made.version == "1"
    assert len(client.search_runs([client.get_experiment_by_name(name).experiment_id])) == 1


@pytest.mark.slow
def test_mlflow_with_local_folders_says_what_to_use(mlflow_uri, name):
    with pytest.raises(RegistryError, match=r"use an s3:// root, or RATCHET_REGISTRY=store"):
        MlflowRegistry(mlflow_uri).register(name, "file:///somewhere/model", DIGESTS[1])


def test_an_mlflow_that_is_down_is_named_soon(name, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{free.getsockname()[1]}"
    started = time.monotonic()
    with pytest.raises(RegistryUnavailable, match=f"{uri} did not answer.*`ratchet promote` completes the round later"):
        MlflowRegistry(uri).champion(name)
    assert time.monotonic() - started < 120


def test_an_mlflow_that_accepts_and_never_answers_is_given_up(name, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        with pytest.raises(RegistryUnavailable, match="did not answer"):
            MlflowRegistry(f"http://127.0.0.1:{silent.getsockname()[1]}").register(name, "s3://b/x", DIGESTS[1])


def test_a_broken_entry_of_the_store_is_named(tmp_path, name):
    store = open_store(str(tmp_path))
    registry = open_registry(Settings(root=str(tmp_path), registry="store"), store)
    store.put(f"registry/{name}/versions/0001.json", b"{}")
    with pytest.raises(RegistryError, match=r"0001.json is no registry entry"):
        registry.versions(name)
    with pytest.raises(RegistryError, match="version 'x' is no number"):
        registry.version(name, "x")


def test_a_page_is_kept_with_a_version_and_the_newer_one_stands(registry, name):
    registry.register(name, "s3://b/x", DIGESTS[1], LINEAGE)
    for text in ("<p>older</p>", "<p>newer é</p>"):
        registry.keep_page(name, "1", "round-0003.html", text)
    with pytest.raises(RegistryError):
        registry.keep_page(name, "9", "round-0003.html", "")


def test_the_store_keeps_pages(tmp_path, name):
    store = open_store(str(tmp_path))
    registry = open_registry(Settings(root=str(tmp_path), registry="store"), store)
    registry.register(name, "s3://b/x", DIGESTS[1])
    registry.keep_page(name, "1", "loop.html", "<p>é</p>")
    assert store.get(f"registry/{name}/pages/0001/loop.html").decode() == "<p>é</p>"


@pytest.mark.slow
def test_mlflow_shows_a_page_among_the_runs_artifacts(mlflow_uri, name):
    from mlflow import MlflowClient

    registry = MlflowRegistry(mlflow_uri)
    registry.register(name, "s3://b/x", DIGESTS[1], LINEAGE)
    registry.keep_page(name, "1", "round-0003.html", "<p>é</p>")
    client = MlflowClient(mlflow_uri)
    run = client.get_model_version(name, "1").run_id
    kept = client.list_artifacts(run, "report")
    assert [(one.path, one.file_size) for one in kept] == [("report/round-0003.html", len("<p>é</p>".encode()))]


def test_curves_are_logged_once_however_often(registry, name):
    registry.register(name, "s3://b/x", DIGESTS[1], LINEAGE)
    for _ in range(2):
        registry.log_curves(name, "1", {"train/loss": [(1, 2.5), (2, 1.5)], "train/verifier/a b!": [(2, 0.5)]})
    registry.log_curves(name, "1", {})


def test_the_store_keeps_curves(tmp_path, name):
    registry = open_registry(Settings(root=str(tmp_path), registry="store"), open_store(str(tmp_path)))
    registry.register(name, "s3://b/x", DIGESTS[1], LINEAGE)
    registry.log_curves(name, "1", {"train/loss": [(1, 2.5), (2, 1.5)]})
    registry.log_curves(name, "1", {"train/loss": [(1, 2.5), (2, 1.5)], "train/kl": [(2, 0.1)]})
    assert registry.curves(name, "1") == {"train/loss": [(1, 2.5), (2, 1.5)], "train/kl": [(2, 0.1)]}
    assert registry.metrics(name, "1") == LINEAGE.metrics


@pytest.mark.slow
def test_mlflow_shows_curves_step_by_step(mlflow_uri, name):
    from mlflow import MlflowClient

    registry, client = MlflowRegistry(mlflow_uri), MlflowClient(mlflow_uri)
    registry.register(name, "s3://b/x", DIGESTS[1], LINEAGE)
    points = [(step, 1 / step) for step in range(1, 1502)]
    for _ in range(2):
        registry.log_curves(name, "1", {"train/loss": points, "train/verifier/a b!": [(2, 0.5)]})
    run = client.get_model_version(name, "1").run_id
    shown = client.get_metric_history(run, "train/loss")
    assert sorted((one.step, one.value) for one in shown) == points
    assert [one.value for one in client.get_metric_history(run, "train/verifier/a b_")] == [0.5]


CARD = "---\nlibrary_name: transformers\n---\n\n# A version\n\n" + "words and words\n" * 500


def test_a_card_is_kept_with_the_version(registry, name):
    registry.register(name, "s3://b/one", DIGESTS[1], LINEAGE)
    for text in (CARD.replace("words", "more"), CARD):
        registry.describe(name, "1", text)
    with pytest.raises(RegistryError):
        registry.describe(name, "7", CARD)
    if isinstance(registry, MlflowRegistry):
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=registry.uri, registry_uri=registry.uri)
        found = client.get_model_version(name, "1")
        assert found.description.startswith("# A version\n\nwords")
        assert found.description.endswith("The rest is in the artifact card.md.")
        assert len(found.description) <= 5000
        # Not by MLflow's client: it downloads in a process of its own, which it does not wait for.
        place = client.get_run(found.run_id).info.artifact_uri.removeprefix("mlflow-artifacts:/")
        with urlopen(f"{registry.uri}/api/2.0/mlflow-artifacts/artifacts/{place}/card.md", timeout=20) as reply:
            assert reply.read().decode() == CARD
