"""What a cluster has and allows: each check passes on a fake cluster that has it, and fails where it is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from ratchet.preflight import Answer, Asked
from ratchet.preflight.cluster.asking import Right
from ratchet.preflight.cluster.rights import ROUNDS, RUNS, SERVING, needed
from ratchet.profile import Profile
from ratchet.services.fake_kubernetes import FakeKubernetes, Kind
from ratchet.services.fake_pipelines import FakePipelines
from tests.fake_cluster import NAMESPACE, crd, kubeconfig, needs_crds
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
MANIFESTS = Path(__file__).resolve().parents[3] / "manifests"
USER = f"system:serviceaccount:{NAMESPACE}:ratchet"


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


@pytest.mark.parametrize("name", ["cluster", "secrets", "account", "nodes", "queue"])
def test_a_cluster_that_has_all_passes(fake: FakeKubernetes, name: str) -> None:
    answer = ask(name)
    assert answer.result == "ok", answer


@pytest.mark.parametrize("name", ["cluster", "secrets", "account", "rights", "nodes", "queue", "pipelines"])
def test_a_profile_of_this_machine_asks_no_cluster(fake: FakeKubernetes, name: str) -> None:
    assert answered(name, Asked()).result == "skipped"


def test_without_a_cluster_that_is_a_warning_here_and_said_in_a_pod(
    fake: FakeKubernetes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert (ask("cluster").result, "where kubectl works" in ask("cluster").fix) == ("warn", True)
    answer = ask("cluster", inside=True)
    assert (answer.result, "automountServiceAccountToken" in answer.seen) == ("skipped", True)


def test_a_cluster_that_is_away_has_failed(fake: FakeKubernetes) -> None:
    fake.stop()
    for name in ("cluster", "secrets", "account", "nodes", "queue"):
        answer = ask(name)
        assert (answer.result, "does not answer" in answer.seen) == ("fail", True), answer


def test_a_secret_that_is_missing_or_lacks_a_key_is_told_without_its_values(fake: FakeKubernetes) -> None:
    replace(fake, "secrets", {"metadata": {"name": "store-keys"}, "data": {"id": "aWQ="}})
    answer = ask("secrets")
    assert (answer.result, answer.seen) == ("fail", "secret store-keys lacks key")
    remove(fake, "secrets", "store-keys")
    remove(fake, "configmaps", "places")
    answer = ask("secrets", image_pull_secrets=["pull"])
    assert answer.result == "fail"
    assert answer.seen == "; ".join(
        f"{one} is not in namespace team" for one in ("secret store-keys", "config map places", "secret pull")
    )
    assert "aWQ=" not in str(answer)


def test_secrets_that_we_may_not_see_are_a_warning_that_names_the_right(fake: FakeKubernetes) -> None:
    fake.roles = []
    answer = ask("secrets")
    assert (answer.result, "SelfSubjectAccessReview denies `get secrets`" in answer.seen) == ("warn", True)
    assert ask("account").result == "warn"
    assert ask("nodes").result == "warn"
    assert ask("queue").result == "warn"


def test_a_service_account_that_is_missing_is_told(fake: FakeKubernetes) -> None:
    remove(fake, "serviceaccounts", "ratchet")
    answer = ask("account")
    assert (answer.result, "service account ratchet is not in namespace team" in answer.seen) == ("fail", True)


def role(path: str = "components/trainjob/role.yaml") -> dict[str, Any]:
    loaded: dict[str, Any] = next(iter(yaml.safe_load_all((MANIFESTS / path).read_text())))
    return loaded


Granted = set[tuple[str, str, str, str | None]]


def granted(path: str) -> Granted:
    return {
        (verb, group, resource, name)
        for rule in role(path)["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [None])
    }


def named(rights: Sequence[Right]) -> Granted:
    return {(one.verb, one.group, one.resource, one.name) for one in rights}


def test_the_rights_that_we_name_are_those_that_the_manifests_grant() -> None:
    assert named(ROUNDS) == granted("base/rounds-role.yaml")
    training = named(needed(Profile.model_validate({**PROFILE, **JOB}))) - named(ROUNDS)
    assert training == granted("components/trainjob/role.yaml")
    assert named(RUNS) == granted("base/trigger-role.yaml")
    for component, rights in SERVING.items():
        assert named(rights) == granted(f"components/{component}/role.yaml")


BOTH = [role("base/rounds-role.yaml"), role()]


def without(resource: str) -> list[dict[str, Any]]:
    return [{"rules": [rule for one in BOTH for rule in one["rules"] if resource not in rule["resources"]]}]


def test_the_rights_of_the_service_account_are_asked_for_by_its_name_or_of_itself_in_its_pod(
    fake: FakeKubernetes,
) -> None:
    fake.others = {USER: BOTH}
    assert ask("rights", **JOB).result == "ok"
    assert {resource for _, resource in fake.requests} == {
        "serviceaccounts", "selfsubjectaccessreviews", "subjectaccessreviews",
    }  # fmt: skip


def test_rights_that_are_missing_are_told(fake: FakeKubernetes) -> None:
    fake.others = {USER: without("trainjobs")}
    answer = ask("rights", **JOB)
    assert answer.result == "fail"
    assert "ratchet may not create trainjobs.trainer.kubeflow.org (to train as a TrainJob)" in answer.seen
    assert ask("rights").result == "ok"
    fake.others = {USER: without("events")}
    answer = ask("rights", **JOB)
    assert (answer.result, "list events" in answer.seen) == ("warn", True)
    fake.others = {USER: without("configmaps")}
    assert "ratchet may not get configmaps kfp-launcher (to start a step)" in ask("rights").seen
    fake.roles = []
    assert "cannot be asked for" in ask("rights", **JOB).seen


def test_the_trigger_needs_rights_of_its_own_where_it_is_installed(fake: FakeKubernetes) -> None:
    make(fake, "serviceaccounts", {"metadata": {"name": "ratchet-trigger"}})
    fake.others = {USER: BOTH}
    assert "create runs.pipelines.kubeflow.org (to start rounds)" in ask("rights").seen
    trigger = f"system:serviceaccount:{NAMESPACE}:ratchet-trigger"
    runs, kserve = role("base/trigger-role.yaml"), role("components/serving-kserve/role.yaml")
    fake.others = {USER: BOTH, trigger: [runs]}
    assert ask("rights").result == "ok"
    fake.others = {USER: BOTH, trigger: [runs, kserve]}
    assert ask("rights").result == "ok"
    half = {"rules": [{**kserve["rules"][0], "verbs": ["get"]}]}
    fake.others = {USER: BOTH, trigger: [runs, half]}
    assert "ratchet-trigger may not create inferenceservices.serving.kserve.io" in ask("rights").seen


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"metadata": {"name": "one"}}, "none of these has pool=gpu"),
        (
            {"spec": {"taints": [{"key": "spot", "effect": "NoSchedule"}]}},
            "no node whose taints its pods bear (spot=:NoSchedule)",
        ),
        ({"spec": {"unschedulable": True}}, "of 2 nodes, 1 are ready"),
        ({"status": {"conditions": [{"type": "Ready", "status": "False"}]}}, "of 2 nodes, 1 are ready"),
        (
            {
                "status": {
                    "allocatable": {"cpu": "16", "memory": "128Gi"},
                    "conditions": [{"type": "Ready", "status": "True"}],
                }
            },
            "nvidia.com/gpu 0 of 1",
        ),
    ],
)
def test_nodes_that_do_not_fit_are_told_with_the_reason(
    fake: FakeKubernetes, changed: dict[str, Any], said: str
) -> None:
    replace(fake, "nodes", node(**changed))
    answer = ask("nodes")
    assert (answer.result, said in answer.seen) == ("fail", True), answer


@pytest.mark.parametrize(
    ("plural", "value", "said"),
    [
        (
            "localqueues",
            {**LOCAL, "spec": {"clusterQueue": "gone"}},
            "belongs to ClusterQueue gone, which is not there",
        ),
        ("clusterqueues", whole(0), "asks for 1 nvidia.com/gpu at once, and the best flavour of all has 0"),
        ("clusterqueues", whole(stopPolicy="Hold"), "ClusterQueue all is stopped (Hold)"),
        ("clusterqueues", {**whole(), "spec": {"resourceGroups": []}}, "no quota for cpu"),
        (
            "localqueues",
            {**LOCAL, "status": {"conditions": [{"type": "Active", "status": "False", "message": "flavor missing"}]}},
            "queue team-a is not active: flavor missing",
        ),
    ],
)
def test_queues_that_would_never_admit_the_pods_are_told(
    fake: FakeKubernetes, plural: str, value: dict[str, Any], said: str
) -> None:
    replace(fake, plural, value)
    answer = ask("queue")
    assert (answer.result, said in answer.seen) == ("fail", True), answer


def test_a_queue_that_is_missing_is_told(fake: FakeKubernetes) -> None:
    remove(fake, "localqueues", "team-a")
    assert "there is no LocalQueue team-a in namespace team" in ask("queue").seen


def test_kubeflow_pipelines_answers_or_is_told_with_what_helps(
    fake: FakeKubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KFP_ENDPOINT", raising=False)
    assert "no address of Kubeflow Pipelines" in ask("pipelines").seen
    with FakePipelines() as kfp:
        assert ask("pipelines", api=kfp.url).result == "ok"
    answer = ask("pipelines", api=kfp.url)
    assert answer.result == "fail"
    with FakePipelines(release="2.3.0") as old:
        assert "is Kubeflow Pipelines 2.3.0" in ask("pipelines", api=old.url).seen
    with FakePipelines(token="right") as closed:
        monkeypatch.setenv("KFP_TOKEN", "wrong-token")
        answer = ask("pipelines", api=closed.url)
        assert (answer.result, "wrong-token" in str(answer)) == ("fail", False)


@needs_crds
def test_a_trainjob_is_tried_without_being_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATCHET_ROOT", "s3://bucket/root")
    monkeypatch.setenv("RATCHET_REGISTRY", "store")
    with FakeKubernetes([crd("trainer_trainjobs")]) as cluster:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, cluster.url)))
        assert ask("trainjob", **JOB).result == "ok"
        assert cluster.state.list(cluster.kind("trainjobs")) == []
        cluster.roles = []
        answer = ask("trainjob", **JOB)
    assert (answer.result, "not create a TrainJob" in answer.seen) == ("fail", True)
    assert ask("trainjob").result == "skipped"
