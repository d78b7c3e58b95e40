"""What the service accounts may do: those rights are asked for which the manifests grant, and told where they are missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ratchet.preflight.cluster.asking import Right
from ratchet.preflight.cluster.rights import ROUNDS, RUNS, SERVING, needed
from ratchet.profile import Profile
from ratchet.services.fake_kubernetes import FakeKubernetes
from tests.fake_cluster import NAMESPACE
from tests.unit.preflight.checks import fails
from tests.unit.preflight.clusters import JOB, PROFILE, ask, make

MANIFESTS = Path(__file__).resolve().parents[3] / "manifests"
USER = f"system:serviceaccount:{NAMESPACE}:ratchet"


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


@fails("rights")
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
