"""A fake cluster that the tests of preflight share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ratchet.services.fake_kubernetes import FakeKubernetes
from tests.fake_cluster import kubeconfig
from tests.unit.preflight.clusters import CLUSTER_QUEUE, CPU_NODE, LOCAL, LOCAL_QUEUE, make, node, whole


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKubernetes]:
    """A cluster that has all that the profile asks for."""
    monkeypatch.setenv("RATCHET_ROOT", "s3://bucket/root")
    monkeypatch.setenv("RATCHET_REGISTRY", "store")
    with FakeKubernetes((), [LOCAL_QUEUE, CLUSTER_QUEUE]) as cluster:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, cluster.url)))
        make(cluster, "secrets", {"metadata": {"name": "store-keys"}, "data": {"id": "aWQ=", "key": "c2VjcmV0"}})
        make(cluster, "configmaps", {"metadata": {"name": "places"}, "data": {"root": "s3://b/r"}})
        make(cluster, "serviceaccounts", {"metadata": {"name": "ratchet"}})
        for one in (node(), CPU_NODE):
            make(cluster, "nodes", one)
        make(cluster, "localqueues", LOCAL)
        make(cluster, "clusterqueues", whole())
        yield cluster
