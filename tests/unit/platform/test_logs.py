"""Logs of a run's tasks from their pods, and what is told where those are gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ratchet import rounds
from ratchet.errors import PlatformError
from ratchet.platform.logs import check_stage, logs
from ratchet.services.fake_kubernetes import FakeKubernetes
from ratchet.services.fake_pipelines import FakePipelines
from ratchet.settings import Settings
from ratchet.store import open_store
from tests.fake_cluster import NAMESPACE, kubeconfig
from tests.pipelines import IR, client
from tests.unit.loops import LOOP, leave, new_loop, opened

NODE = "workflows.argoproj.io/node-name"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return new_loop(tmp_path)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKubernetes]:
    def lines(namespace: str, pod: str, follow: bool) -> Iterator[tuple[str, str]]:
        yield from ((f"2026-01-01T00:00:0{n}Z", f"{pod} line {n}") for n in range(3))

    with FakeKubernetes(log_lines=lines) as fake:
        file = kubeconfig(tmp_path, fake.url)
        # The library reads the variable once, when it is imported.
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
        yield fake


def pod(cluster: FakeKubernetes, name: str, run: str, node: str) -> None:
    metadata = {"name": name, "labels": {"pipeline/runid": run}, "annotations": {NODE: node}}
    cluster.state.create(
        cluster.kind("pods"), NAMESPACE, {"metadata": metadata, "spec": {"containers": [{"name": "main"}]}}
    )


def run_of(fake: FakePipelines, details: list[dict[str, Any]] | None = None) -> str:
    state = fake.state
    pipeline = state.add(state.pipelines, "pipeline_id", {"name": "p", "display_name": "p"})
    state.upload(pipeline, "v1", "", IR.encode())
    given = {
        "display_name": "a run",
        "pipeline_version_reference": {"pipeline_id": pipeline["pipeline_id"]},
        "runtime_config": {"parameters": {"recipe": "rft", "loop": LOOP}},
    }
    run: str = state.start(given)["run_id"]
    if details is not None:
        state.runs[run]["run_details"] = {"task_details": details}
    return run


def test_the_pods_that_the_run_names_are_read_and_drivers_are_not(settings: Settings, cluster: FakeKubernetes) -> None:
    details = [
        {"task_id": "1", "display_name": "train", "state": "FAILED", "child_tasks": [{"task_id": "3"}]},
        {"task_id": "2", "display_name": "train-driver", "parent_task_id": "1", "pod_name": "driver"},
        {"task_id": "3", "display_name": "executor", "parent_task_id": "1", "pod_name": "train-1", "state": "FAILED"},
        {"task_id": "4", "display_name": "verify", "pod_name": "verify-1"},
    ]
    with FakePipelines() as fake:
        run = run_of(fake, details)
        pod(cluster, "train-1", run, "round.root.train.executor")
        (found,) = logs(client(fake), open_store(settings.root), NAMESPACE, run, "train", 2)
    assert (found.stage, found.pod, found.state) == ("train", "train-1", "FAILED")
    assert found.text == "train-1 line 1\ntrain-1 line 2\n"


def test_pods_are_found_by_their_labels_where_the_run_names_none(settings: Settings, cluster: FakeKubernetes) -> None:
    with FakePipelines() as fake:
        run = run_of(fake)
        pod(cluster, "a", run, "round.root.train-driver")
        pod(cluster, "b", run, "round.root.train.executor")
        pod(cluster, "c", run, "round.root.generate-shard(0).executor")
        pod(cluster, "d", "another", "round.root.train.executor")
        found = list(logs(client(fake), open_store(settings.root), NAMESPACE, run, None, 1))
    assert [(one.stage, one.pod) for one in found] == [("begin", None), ("generate", "c"), ("train", "b")]


def test_where_pods_are_gone_what_the_stage_failed_with_is_told(settings: Settings, cluster: FakeKubernetes) -> None:
    store = open_store(settings.root)
    details = [
        {"task_id": "1", "display_name": name, "pod_name": f"{name}-1"} for name in ("generate", "train", "verify")
    ]
    with FakePipelines() as fake:
        run = run_of(fake, details)
        ticket = opened(settings, run)
        leave(store, ticket, "generate")
        rounds.write_failure(store, ticket, "train", ValueError("no memory left"))
        found = {one.stage: one for one in logs(client(fake), store, NAMESPACE, run, None, 10)}
    assert all(one.text is None for one in found.values())
    assert "the pod is gone" in str(found["train"].why)
    assert "ValueError: no memory left" in str(found["train"].why)
    assert "it went well: " in str(found["generate"].why)
    assert "left neither a manifest nor a message" in str(found["verify"].why)
    assert "promote" not in found


def test_a_machine_without_cluster_tells_that_and_what_the_store_has(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    with FakePipelines() as fake:
        run = run_of(fake, [{"task_id": "1", "display_name": "begin", "pod_name": "begin-1"}])
        (found,) = logs(client(fake), open_store(settings.root), NAMESPACE, run, "begin", 10)
    assert found.why == (
        "this machine knows no cluster (no service account, no kubeconfig); "
        "and the run opened no round, so nothing was kept in the store"
    )


def test_an_account_that_may_not_read_logs_is_told_so(
    settings: Settings, tmp_path: Path, cluster: FakeKubernetes
) -> None:
    with FakePipelines() as fake:
        run = run_of(fake, [{"task_id": "1", "display_name": "train", "pod_name": "train-1"}])
        pod(cluster, "train-1", run, "round.root.train.executor")
        cluster.roles = []
        (found,) = logs(client(fake), open_store(settings.root), NAMESPACE, run, "train", 10)
    assert "may not read pods/log in namespace team (403)" in str(found.why)


def test_a_stage_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(PlatformError, match="no stage training; there are: begin, generate"):
        check_stage("training")
