"""A profile that asks a cluster for much, what a fake cluster needs to have it all, and one check on it."""

from __future__ import annotations

from typing import Any

import yaml

from ratchet.preflight import Answer, Asked
from ratchet.services.fake_kubernetes import FakeKubernetes, Kind
from tests.fake_cluster import NAMESPACE
from tests.unit.preflight.checks import answered

LOCAL_QUEUE = Kind("kueue.x-k8s.io", "v1beta2", "localqueues", "LocalQueue", status=False)
CLUSTER_QUEUE = Kind("kueue.x-k8s.io", "v1beta2", "clusterqueues", "ClusterQueue", namespaced=False, status=False)
IMAGE = "registry.example/ratchet-core:1"
PROFILE: dict[str, Any] = {
    "name": "gpu",
    "namespace": NAMESPACE,
    "images": dict.fromkeys(("core", "inference", "training"), IMAGE),
    "secrets": {"store-keys": {"id": "AWS_ACCESS_KEY_ID", "key": "AWS_SECRET_ACCESS_KEY"}},
    "config_maps": {"places": {"root": "RATCHET_ROOT"}},
    "optional_secrets": {"hub": {"token": "HF_TOKEN"}},
    "resources": {
        "train": {
            "cpu": "8", "memory": "64Gi", "gpus": 1, "queue": "team-a",
            "node_selector": {"pool": "gpu"}, "tolerations": [{"key": "nvidia.com/gpu"}],
        }
    },
}  # fmt: skip
JOB: dict[str, Any] = {"launcher": {"kind": "trainjob", "trainjob": {"image": IMAGE}}, "resources": {}}


def node(name: str = "one", **changes: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"pool": "gpu"}},
        "spec": {"taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]},
        "status": {
            "allocatable": {"cpu": "15800m", "memory": "131072000Ki", "nvidia.com/gpu": "1"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
        **changes,
    }


CPU_NODE = {
    "metadata": {"name": "cpu"},
    "status": {"allocatable": {"cpu": "4", "memory": "16Gi"}, "conditions": [{"type": "Ready", "status": "True"}]},
}
LOCAL = {"metadata": {"name": "team-a"}, "spec": {"clusterQueue": "all"}}


def whole(gpus: int = 1, **spec: Any) -> dict[str, Any]:
    quota = {"cpu": "64", "memory": "256Gi", "nvidia.com/gpu": gpus}
    flavors = [{"name": "h100", "resources": [{"name": k, "nominalQuota": v} for k, v in quota.items()]}]
    return {
        "metadata": {"name": "all"},
        "spec": {"resourceGroups": [{"coveredResources": [*quota], "flavors": flavors}], **spec},
    }


def make(cluster: FakeKubernetes, plural: str, value: dict[str, Any]) -> None:
    kind = cluster.kind(plural)
    cluster.state.create(kind, NAMESPACE if kind.namespaced else "", value)


def replace(cluster: FakeKubernetes, plural: str, value: dict[str, Any]) -> None:
    remove(cluster, plural, value["metadata"]["name"])
    make(cluster, plural, value)


def remove(cluster: FakeKubernetes, plural: str, name: str) -> None:
    kind = cluster.kind(plural)
    cluster.state.delete(kind, NAMESPACE if kind.namespaced else "", name)


def ask(name: str, *, inside: bool = False, **changes: Any) -> Answer:
    return answered(name, Asked(profile=yaml.safe_dump({**PROFILE, **changes}), inside=inside))
