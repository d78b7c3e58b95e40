"""The manifests: every overlay renders, is accepted by three Kubernetes versions and by Kubeflow's definitions, and is locked down."""

from __future__ import annotations

import re
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import kubernetes_validate
import pytest
import typer
import yaml

from ratchet.cli.app import app
from ratchet.profile import Profile
from ratchet.services.fake_kubernetes import ObjectSchema, crd_versions
from ratchet.store.s3_client import make_client
from tests.fake_cluster import crd, needs_crds
from tests.kubernetes_kinds import VERSIONS, complaints
from tests.kustomize import DIGEST, MANIFESTS, OVERLAYS, Object, needs_kubectl, objects, pods
from tests.network import selects

pytestmark = needs_kubectl
CUSTOM = {
    ("trainer.kubeflow.org/v1alpha1", "TrainingRuntime"): "trainer_trainingruntimes",
    ("kueue.x-k8s.io/v1beta1", "LocalQueue"): "kueue_localqueues",
}
UNCHECKED = {
    ("external-secrets.io/v1", "ExternalSecret"),
    ("monitoring.coreos.com/v1", "ServiceMonitor"),
    ("route.openshift.io/v1", "Route"),
}
"""Kinds whose definitions are nowhere here."""
OURS = {"app.kubernetes.io/part-of": "ratchet"}
# fmt: off
OF_PIPELINES = {
    "application", "cache-deployer-deployment", "cache-server", "default-allow-same-namespace", "default-editor",
    "default-viewer", "kfp-launcher", "kubeflow-pipelines-profile-controller", "kubeflow-pipelines-public",
    "metadata-envoy-deployment", "metadata-envoy-service", "metadata-grpc-configmap", "metadata-grpc-deployment",
    "metadata-grpc-server", "metadata-grpc-service", "metadata-writer", "minio", "minio-pvc", "minio-service",
    "ml-pipeline", "ml-pipeline-driver", "ml-pipeline-driver-agent", "ml-pipeline-persistenceagent",
    "ml-pipeline-scheduledworkflow", "ml-pipeline-ui", "ml-pipeline-ui-artifact", "ml-pipeline-ui-configmap",
    "ml-pipeline-viewer-crd", "ml-pipeline-visualizationserver", "mlflow", "mlpipeline-minio-artifact", "mysql",
    "mysql-pv-claim", "mysql-secret", "pipeline-install-config", "pipeline-runner", "postgres", "postgres-service",
    "postgresql", "proxy-agent", "seaweedfs", "seaweedfs-pvc", "workflow-controller", "workflow-controller-configmap",
    "workflow-controller-metrics",
}
# fmt: on
"""Of its manifests up to 2.17, and what others run beside it."""
overlays = pytest.mark.parametrize("overlay", OVERLAYS)


def test_every_overlay_is_tested() -> None:
    assert sorted(p.name for p in (MANIFESTS / "overlays").iterdir()) == list(OVERLAYS)


def test_every_component_is_in_an_overlay() -> None:
    used = set()
    for overlay in OVERLAYS:
        kustomization = yaml.safe_load((MANIFESTS / "overlays" / overlay / "kustomization.yaml").read_text())
        used |= {Path(one).name for one in kustomization["components"]}
    assert {p.name for p in (MANIFESTS / "components").iterdir()} == used


@pytest.mark.parametrize("version", VERSIONS)
@overlays
def test_kubernetes_accepts_every_built_in_kind_strictly(overlay: str, version: str) -> None:
    for one in objects(overlay):
        if (one["apiVersion"], one["kind"]) not in CUSTOM.keys() | UNCHECKED:
            assert complaints(one, version) == [], (one["kind"], one["metadata"]["name"])


def test_a_wrong_field_is_not_accepted() -> None:
    one = deepcopy(next(one for one in objects("gpu") if one["kind"] == "Deployment"))
    one["spec"]["template"]["spec"]["containers"][0]["comand"] = ["ratchet"]
    assert "comand" in complaints(one, VERSIONS[-1])[0]
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(one, VERSIONS[-1], strict=True)


@needs_crds
@overlays
def test_the_clusters_definitions_accept_custom_resources(overlay: str) -> None:
    for one in objects(overlay):
        file = CUSTOM.get((one["apiVersion"], one["kind"]))
        if file is not None:
            schemas: dict[str, ObjectSchema] = dict(crd_versions(crd(file)))
            assert schemas[one["apiVersion"].rpartition("/")[2]].complaints(one) == []


@overlays
def test_pods_fit_the_level_restricted_of_pod_security(overlay: str) -> None:
    for name, _, spec in pods(overlay):
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), name
        assert all({"emptyDir", "projected", "secret", "configMap"} & one.keys() for one in spec["volumes"]), name
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            context = container["securityContext"]
            assert context == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert "hostPort" not in str(container.get("ports", "")), name


@overlays
def test_containers_write_below_tmp_and_say_what_they_need(overlay: str) -> None:
    for name, _, spec in pods(overlay):
        assert spec["enableServiceLinks"] is False, name
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"], name
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), name
            assert {"cpu", "memory"} <= container["resources"]["limits"].keys(), name
            if container in spec["containers"] and name.startswith(("Deployment", "StatefulSet")):
                assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys(), name


@overlays
def test_every_image_can_be_pinned_by_digest(overlay: str) -> None:
    for name, _, spec in pods(overlay):
        containers = [*spec["containers"], *spec.get("initContainers", [])]
        assert all(one["image"].endswith(f"@{DIGEST}") for one in containers), name


@overlays
def test_a_token_is_mounted_only_where_the_api_server_is_asked(overlay: str) -> None:
    found = objects(overlay)
    groups: dict[str, set[str]] = {}
    roles = {one["metadata"]["name"]: one for one in found if one["kind"] == "Role"}
    for one in found:
        if one["kind"] == "RoleBinding":
            rules = roles[one["roleRef"]["name"]]["rules"]
            for subject in one["subjects"]:
                groups.setdefault(subject["name"], set()).update(g for rule in rules for g in rule["apiGroups"])
    # Kubeflow Pipelines checks its own group, with a token of its own audience.
    asking = {name for name, known in groups.items() if known - {"pipelines.kubeflow.org"}}
    for name, _, spec in pods(overlay):
        mounted = spec["automountServiceAccountToken"]
        assert mounted is (spec.get("serviceAccountName") in asking), name
    for one in found:
        if one["kind"] == "ServiceAccount":
            name = one["metadata"]["name"]
            assert one["automountServiceAccountToken"] is (name == "ratchet"), name


def test_on_openshift_no_pod_names_a_user() -> None:
    for name, _, spec in pods("openshift"):
        assert spec["securityContext"].keys() == {"runAsNonRoot", "seccompProfile"}, name


def test_an_own_namespace_enforces_the_level_restricted() -> None:
    for overlay in ("gpu", "openshift"):
        (namespace,) = (one for one in objects(overlay) if one["kind"] == "Namespace")
        labels = namespace["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_a_namespace_of_others_is_not_touched() -> None:
    """Neither its labels nor the network of pods that are not ours."""
    theirs = {"workflows.argoproj.io/workflow": "theirs", "app.kubernetes.io/name": "ml-pipeline"}
    for overlay in ("local", "existing-platform"):
        found = objects(overlay)
        assert not [one for one in found if one["kind"] == "Namespace"]
        for one in found:
            if one["kind"] == "NetworkPolicy":
                assert not selects(one["spec"]["podSelector"], {}), one["metadata"]["name"]
                assert not selects(one["spec"]["podSelector"], theirs), one["metadata"]["name"]


@overlays
def test_nothing_has_a_name_that_kubeflow_pipelines_gives_its_own(overlay: str) -> None:
    """It would take the place of theirs in the namespace that both share."""
    for one in objects(overlay):
        name = one["metadata"]["name"]
        assert name == "ratchet" or name.startswith("ratchet-"), (one["kind"], name)
        assert name not in OF_PIPELINES, (one["kind"], name)
    for name, labels, _ in pods(overlay):
        assert not OF_PIPELINES & set(labels.values()), name


@overlays
def test_no_mesh_puts_a_container_into_our_pods(overlay: str) -> None:
    """A profile of Kubeflow asks Istio to; a sidecar reaches nothing through our policies, and a job with one never ends."""
    templates = [labels for _, labels, _ in pods(overlay)]
    for one in objects(overlay):
        if one["kind"] == "TrainingRuntime":
            jobs = one["spec"]["template"]["spec"]["replicatedJobs"]
            templates += [job["template"]["spec"]["template"]["metadata"]["labels"] for job in jobs]
    assert templates
    assert all(labels["sidecar.istio.io/inject"] == "false" for labels in templates)


def _policies(overlay: str) -> list[Object]:
    return [one["spec"] for one in objects(overlay) if one["kind"] == "NetworkPolicy"]


@overlays
def test_every_pod_is_denied_what_no_policy_allows(overlay: str) -> None:
    policies = _policies(overlay)
    for name, labels, _ in pods(overlay):
        (deny,) = (p for p in policies if len(p["policyTypes"]) == 2 and not {"ingress", "egress"} & p.keys())
        assert selects(deny["podSelector"], labels), name


@overlays
def test_nobody_reaches_the_nodes_metadata(overlay: str) -> None:
    for policy in _policies(overlay):
        for rule in policy.get("egress", []):
            for block in (peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer):
                assert block["cidr"] == "169.254.20.10/32" or block["except"] == ["169.254.169.254/32"]


@overlays
def test_services_budgets_and_bindings_find_what_they_name(overlay: str) -> None:
    found = objects(overlay)
    labels = [labels for _, labels, _ in pods(overlay)]
    accounts = {one["metadata"]["name"] for one in found if one["kind"] == "ServiceAccount"}
    for one in found:
        if one["kind"] == "Service":
            assert any(selects({"matchLabels": one["spec"]["selector"]}, known) for known in labels), one["metadata"]
        if one["kind"] == "PodDisruptionBudget":
            assert any(selects(one["spec"]["selector"], known) for known in labels)
        if one["kind"] == "RoleBinding":
            assert {subject["name"] for subject in one["subjects"]} <= accounts
    for name, _, spec in pods(overlay):
        assert spec.get("serviceAccountName", "default") in {*accounts, "default"}, name


@overlays
def test_everything_is_ours_by_its_label(overlay: str) -> None:
    for one in objects(overlay):
        assert one["metadata"]["labels"].items() >= OURS.items(), (one["kind"], one["metadata"]["name"])
    for name, labels, _ in pods(overlay):
        assert labels.items() >= OURS.items(), name


def test_no_secret_has_a_value_in_the_repository() -> None:
    for file in MANIFESTS.rglob("*.example"):
        if file.name == "s3.json.example":
            assert '"accessKey": "", "secretKey": ""' in file.read_text()
            continue
        for line in file.read_text().splitlines():
            if line and not line.startswith("#") and "PASSWORD@" not in line:
                assert re.fullmatch(r"[A-Z0-9_]+=", line), f"{file}: {line}"
    assert not [p for p in MANIFESTS.rglob("*.yaml") if re.search(r"^kind: Secret$", p.read_text(), re.M)]


@overlays
def test_variables_are_those_that_somebody_reads(overlay: str) -> None:
    (config,) = (one for one in objects(overlay) if one["kind"] == "ConfigMap" and one["metadata"]["name"] == "ratchet")
    code = "\n".join(p.read_text() for p in (MANIFESTS.parent / "ratchet").rglob("*.py"))
    for name in config["data"]:
        assert name == "AWS_REGION" or re.search(rf"""["']{name}["']""", code), name


@overlays
def test_the_profile_is_valid_and_names_what_is_there(overlay: str) -> None:
    found = objects(overlay)
    (text,) = (one["data"]["profile.yaml"] for one in found if one["metadata"]["name"].startswith("ratchet-profile-"))
    profile = Profile.load(text)
    (trigger,) = (
        one["metadata"] for one in found if one["metadata"]["name"] == "ratchet-trigger" and one["kind"] == "Deployment"
    )
    assert profile.namespace == trigger["namespace"]
    assert profile.service_account in {one["metadata"]["name"] for one in found if one["kind"] == "ServiceAccount"}


@overlays
def test_containers_run_commands_and_options_that_exist(overlay: str) -> None:
    root = typer.main.get_command(app)
    for name, _, spec in pods(overlay):
        for container in spec["containers"]:
            if "ratchet-core" not in container["image"] or "command" in container:
                continue
            command, given = root, list(container["args"])
            while given and hasattr(command, "commands") and given[0] in command.commands:
                command = command.commands[given.pop(0)]
            assert not hasattr(command, "commands"), f"{name}: no command {given}"
            # Options that are not there, and values that are none, raise.
            command.make_context(name, given).close()


def test_before_the_trigger_starts_the_bucket_is_there(s3_root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it starts."""
    (spec,) = (spec for name, _, spec in pods("local") if name == "Deployment/ratchet-trigger")
    (container,) = spec["initContainers"]
    assert container["command"] == ["python", "-c"]
    bucket = f"made-{s3_root.rpartition('-')[2]}"
    monkeypatch.setenv("RATCHET_ROOT", f"s3://{bucket}/ratchet")
    for _ in range(2):
        subprocess.run([sys.executable, "-c", *container["args"]], check=True)
    assert bucket in {one["Name"] for one in make_client().list_buckets()["Buckets"]}
