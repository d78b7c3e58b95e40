"""A run's logs while it goes on: each line once, of all pods, until the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ratchet.errors import PlatformError
from ratchet.platform.following import Line, follow
from ratchet.services.fake_kubernetes import FakeKubernetes
from ratchet.services.fake_pipelines import FakePipelines
from tests.fake_cluster import NAMESPACE, kubeconfig
from tests.pipelines import client
from tests.unit.platform.test_logs import pod, run_of

DETAILS = [
    {"task_id": "1", "display_name": "train", "pod_name": "train-1"},
    {"task_id": "2", "display_name": "evaluate", "pod_name": "evaluate-1"},
]


@pytest.fixture
def said() -> dict[str, list[str]]:
    return {"train-1": ["loading", "step 1"], "evaluate-1": []}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: dict[str, list[str]]) -> Iterator[FakeKubernetes]:
    def lines(namespace: str, pod: str, follow: bool) -> Iterator[tuple[str, str]]:
        yield from ((f"2026-01-01T00:00:{n:02}Z", line) for n, line in enumerate(said[pod]))

    with FakeKubernetes(log_lines=lines) as fake:
        file = kubeconfig(tmp_path, fake.url)
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
        yield fake


def test_each_line_is_told_once_until_the_run_has_ended(cluster: FakeKubernetes, said: dict[str, list[str]]) -> None:
    with FakePipelines() as fake:
        run = run_of(fake, DETAILS)
        pod(cluster, "train-1", run, "round.root.train.executor")
        told = follow(client(fake), NAMESPACE, run, None, 1, every=0.01)
        assert next(told) == Line("train", "train-1", "step 1"), (
            "the last line, and nothing of the pod that is not there"
        )
        said["train-1"].append("step 2")
        pod(cluster, "evaluate-1", run, "round.root.evaluate.executor")
        said["evaluate-1"].append("asking")
        assert {next(told), next(told)} == {
            Line("evaluate", "evaluate-1", "asking"),
            Line("train", "train-1", "step 2"),
        }
        said["train-1"].append("done")
        fake.state.advance(run, "SUCCEEDED")
        assert list(told) == [Line("train", "train-1", "done")]


def test_logs_that_may_not_be_read_end_the_following(cluster: FakeKubernetes) -> None:
    with FakePipelines() as fake:
        run = run_of(fake, DETAILS)
        pod(cluster, "train-1", run, "round.root.train.executor")
        cluster.roles = []
        with pytest.raises(PlatformError, match=r"cannot be followed: this account may not read pods/log"):
            list(follow(client(fake), NAMESPACE, run, "train", 1, every=0.01))
