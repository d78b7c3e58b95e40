"""Who may speak with whom, by the policies of each overlay: rows of what must pass, and of what must not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import pytest

from ratchet.profile import Profile
from tests.kustomize import OVERLAYS, Object, needs_kubectl, objects, pods
from tests.network import Outside, Pod, allowed

pytestmark = needs_kubectl
overlays = pytest.mark.parametrize("overlay", OVERLAYS)
Row = tuple[str, str, int]
HOME = {"existing-platform": "kubeflow-user", "gpu": "ratchet", "local": "kubeflow", "openshift": "ratchet"}
OURS = {"app.kubernetes.io/name": "ratchet", "app.kubernetes.io/part-of": "ratchet"}
SERVED = {"gpu", "openshift"}
TARGETS: dict[str, Pod | Outside] = {
    "kfp api": Pod("kubeflow", {"app": "ml-pipeline"}),
    "kfp metadata": Pod("kubeflow", {"component": "metadata-grpc-server"}),
    # Its Services minio-service and seaweedfs listen at 9000 too; the pod does not.
    "kfp seaweedfs": Pod("kubeflow", {"app": "seaweedfs"}),
    "kfp minio": Pod("kubeflow", {"app": "minio"}),
    "kfp mysql": Pod("kubeflow", {"app": "mysql"}),
    "mlflow": Pod("mlflow", {"app": "mlflow"}),
    "own store": Pod("storage", {"app": "minio"}, {"ratchet.internal/stores": "true"}),
    "judge": Pod("judges", {"app": "vllm"}, {"ratchet.internal/judge": "true"}),
    "prometheus": Pod("monitoring", {"app.kubernetes.io/name": "prometheus"}),
    "router": Pod("openshift-ingress", {}, {"policy-group.network.openshift.io/ingress": ""}),
    "asker": Pod("shop", {"app": "shop"}, {"ratchet.internal/served": "true"}),
    "istio": Pod("istio-system", {"app": "istio-ingressgateway"}),
    "kourier": Pod("kourier-system", {"app": "3scale-kourier-gateway"}),
    "own gateway": Pod("edge", {"app": "envoy"}, {"ratchet.internal/gateway": "true"}),
    "activator": Pod("knative-serving", {"app": "activator"}),
    "autoscaler": Pod("knative-serving", {"app": "autoscaler"}),
    "stranger": Pod("others", {"app": "anything"}),
    "dns": Pod("kube-system", {"k8s-app": "kube-dns"}),
    "openshift dns": Pod("openshift-dns", {"dns.operator.openshift.io/daemonset-dns": "default"}),
    "outside": Outside("203.0.113.7"),
    "metadata address": Outside("169.254.169.254"),
}
"""Pods of others, and what is no pod. Ours are made of what the overlay renders."""
CONTROL = "trigger", "gc", "janitor"
STORES = (("outside", 443), ("kfp seaweedfs", 8333), ("kfp minio", 9000), ("own store", 8333), ("own store", 9000),
          ("mlflow", 5000), ("own store", 5000))  # fmt: skip
MUST: list[Row] = [
    *((who, target, port) for who in ("round", *CONTROL) for target, port in STORES),
    *((who, "dns", 53) for who in ("round", *CONTROL)),
    *((who, "kfp api", 8888) for who in ("round", *CONTROL)),
    ("round", "kfp api", 8887),
    ("round", "kfp metadata", 8080),
    ("round", "judge", 8000),
    ("round", "outside", 6443),
    ("mlflow", "trigger", 8080),
    ("own store", "trigger", 8080),
    ("prometheus", "trigger", 8080),
]
MUST_OF: dict[str, list[Row]] = {
    "existing-platform": [],
    "gpu": [
        *(("training", target, port) for target, port in STORES),
        *(("served", target, port) for target, port in STORES),
        ("training", "training", 29500),
        ("training", "dns", 53),
        *(("trigger", gateway, 8081) for gateway in ("istio", "kourier", "own gateway")),
        *((who, "served", port) for who in ("istio", "kourier", "own gateway", "activator") for port in (8012, 8112)),
        ("autoscaler", "served", 9090),
        ("prometheus", "served", 9091),
        ("trigger", "outside", 6443),
    ],
    "local": [
        *((who, "ratchet-seaweedfs", 8333) for who in ("round", *CONTROL, "ratchet-mlflow")),
        *((who, "ratchet-mlflow", 5000) for who in ("round", *CONTROL)),
        ("ratchet-mlflow", "ratchet-postgresql", 5432),
        ("ratchet-mlflow", "trigger", 8080),
        ("ratchet-mlflow", "outside", 5432),
    ],
    "openshift": [
        *(("served", target, port) for target, port in STORES),
        *((who, "openshift dns", 5353) for who in ("round", *CONTROL, "served")),
        ("trigger", "served", 8080),
        ("trigger", "outside", 6443),
        ("router", "trigger", 8080),
        ("asker", "served", 8080),
    ],
}
NEVER: list[Row] = [
    *((who, "metadata address", port) for who in ("round", *CONTROL) for port in (80, 443)),
    *((who, "stranger", port) for who in ("round", *CONTROL) for port in (443, 5000, 8080, 9000)),
    *((who, "kfp mysql", 3306) for who in ("round", *CONTROL)),
    *((who, "outside", port) for who in ("round", *CONTROL) for port in (22, 80, 5432)),
    *(("stranger", who, 8080) for who in ("round", *CONTROL)),
    *(("outside", who, 8080) for who in ("round", *CONTROL)),
    *((who, "kfp api", 8887) for who in CONTROL),
    *((who, "judge", 8000) for who in CONTROL),
    ("gc", "trigger", 8080),
    ("round", "trigger", 8080),
    ("gc", "outside", 6443),
]
NEVER_OF: dict[str, list[Row]] = {
    "existing-platform": [("trigger", "outside", 6443)],
    "gpu": [
        *(("stranger", "served", port) for port in (8080, 8012, 9090, 9091)),
        # Past the queue-proxy, whose count the activator's and the autoscaler's work rests on.
        *((who, "served", 8080) for who in ("asker", "istio", "activator", "trigger")),
        ("gc", "istio", 8081),
        ("stranger", "training", 29500),
        ("round", "training", 29500),
        ("training", "judge", 8000),
        ("served", "kfp api", 8888),
    ],
    "local": [
        ("round", "ratchet-postgresql", 5432),
        ("trigger", "ratchet-postgresql", 5432),
        ("stranger", "ratchet-seaweedfs", 8333),
        ("stranger", "ratchet-mlflow", 5000),
        ("ratchet-seaweedfs", "outside", 443),
        ("ratchet-seaweedfs", "ratchet-mlflow", 5000),
        ("ratchet-postgresql", "outside", 443),
        ("ratchet-seaweedfs", "ratchet-seaweedfs", 9333),
        ("round", "ratchet-seaweedfs", 9333),
    ],
    "openshift": [("stranger", "served", 8080), ("served", "kfp api", 8888), ("router", "served", 8080)],
}


@cache
def policies(overlay: str) -> tuple[Object, ...]:
    return tuple(one for one in objects(overlay) if one["kind"] == "NetworkPolicy")


def _round(overlay: str) -> Pod:
    """As Argo, the pipeline's defaults and the overlay's profile make its pods."""
    (text,) = (
        one["data"]["profile.yaml"]
        for one in objects(overlay)
        if one["metadata"]["name"].startswith("ratchet-profile-")
    )
    argo = {"app.kubernetes.io/component": "evaluate", "workflows.argoproj.io/workflow": "ratchet-round-x"}
    return Pod(HOME[overlay], {**OURS, **Profile.load(text).labels, **argo})


def _training(overlay: str) -> dict[str, Pod]:
    runtimes = [one["spec"]["template"]["spec"] for one in objects(overlay) if one["kind"] == "TrainingRuntime"]
    jobs = [job["template"] for one in runtimes for job in one["replicatedJobs"]]
    labels = [job["spec"]["template"]["metadata"]["labels"] for job in jobs]  # a job's own labels are not its pods'
    return dict(zip(["training"], (Pod(HOME[overlay], one) for one in labels), strict=False))


@cache
def everybody(overlay: str) -> Mapping[str, Pod | Outside]:
    known = {**TARGETS, "round": _round(overlay)}
    known["served"] = Pod(HOME[overlay], {**OURS, "app.kubernetes.io/component": "serving"})
    known |= _training(overlay)
    for name, labels, _ in pods(overlay):
        short = name.partition("/")[2]
        known[short.removeprefix("ratchet-") if short.removeprefix("ratchet-") in CONTROL else short] = Pod(
            HOME[overlay], labels
        )
    return known


def broken(overlay: str, known: Sequence[Object]) -> list[Row]:
    """The rows that do not hold where these are the policies."""
    there = everybody(overlay)

    def passes(source: str, target: str, port: int) -> bool:
        return allowed(known, there[source], there[target], port, "UDP" if port in (53, 5353) else "TCP")

    denied = [row for row in (*MUST, *MUST_OF[overlay]) if not passes(*row)]
    return denied + [row for row in (*NEVER, *NEVER_OF[overlay]) if passes(*row)]


@overlays
def test_what_must_pass_passes_and_what_must_not_does_not(overlay: str) -> None:
    assert broken(overlay, policies(overlay)) == []


@overlays
def test_without_any_one_of_the_policies_a_row_is_broken(overlay: str) -> None:
    for one in policies(overlay):
        rest = [other for other in policies(overlay) if other is not one]
        assert broken(overlay, rest), one["metadata"]["name"]


def policy(namespace: str, selector: Mapping[str, Any], **spec: Any) -> Object:
    types = [one.capitalize() for one in ("ingress", "egress") if one in spec]
    return {"metadata": {"namespace": namespace}, "spec": {"podSelector": selector, "policyTypes": types, **spec}}


def test_policies_are_read_as_kubernetes_defines_them() -> None:
    here, there = Pod("a", {"app": "x"}), Pod("b", {"app": "y"})
    assert allowed([], here, there, 80)
    for bound in (policy("a", {}, egress=[]), policy("b", {"matchLabels": {"app": "y"}}, ingress=[])):
        assert not allowed([bound], here, there, 80)
        assert allowed([bound], there, here, 80)
        anything = policy(bound["metadata"]["namespace"], {}, ingress=[{}], egress=[{}])
        assert allowed([bound, anything], here, there, 80)
    to_b = {"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "b"}}, "podSelector": {}}]}
    by_label = {"to": [{"podSelector": {"matchLabels": {"app": "y"}}}], "ports": [{"protocol": "TCP", "port": 80}]}
    assert allowed([policy("a", {}, egress=[to_b])], here, there, 80)
    assert not allowed([policy("a", {}, egress=[by_label])], here, there, 80), (
        "a podSelector is of the policy's namespace"
    )
    same = Pod("a", {"app": "y"})
    assert allowed([policy("a", {}, egress=[by_label])], here, same, 80)
    assert not allowed([policy("a", {}, egress=[by_label])], here, same, 81)
    assert not allowed([policy("a", {}, egress=[by_label])], here, same, 80, "UDP")
    block = {"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}
    reach = [
        allowed([policy("a", {}, egress=[block])], here, Outside(one), 80)
        for one in ("10.2.0.1", "10.1.0.1", "9.9.9.9")
    ]
    assert reach == [True, False, False]
