"""The manifests for launcher trainjob: accepted by Kubeflow's definitions, rendered by kustomize, and enough for the launcher."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from ratchet.services.fake_kubernetes import ObjectSchema, crd_versions
from tests.fake_cluster import crd, needs_crds
from tests.kustomize import kustomize, needs_kubectl

COMPONENT = Path(__file__).resolve().parents[2] / "manifests" / "components" / "trainjob"


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((COMPONENT / name).read_text())
    return found


@pytest.fixture
def schema() -> ObjectSchema:
    ((version, found),) = crd_versions(crd("trainer_trainingruntimes"))
    assert version == "v1alpha1"
    return found


@needs_crds
def test_the_runtime_is_one_that_kubeflow_accepts(schema: ObjectSchema) -> None:
    runtime = read("runtime.yaml")
    assert schema.complaints(runtime) == []
    runtime["spec"]["template"]["spec"]["replicatedJobs"][0]["template"]["spec"]["backoff"] = 0
    assert "'backoff' was unexpected" in schema.complaints(runtime)[0]


def test_the_runtime_has_the_job_that_the_launcher_patches() -> None:
    spec = read("runtime.yaml")["spec"]
    (job,) = spec["template"]["spec"]["replicatedJobs"]
    pod = job["template"]["spec"]["template"]["spec"]
    assert job["name"] == pod["containers"][0]["name"] == "node"
    assert job["template"]["metadata"]["labels"] == {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}
    # Retries are the pipeline's, not the runtime's.
    assert (job["template"]["spec"]["backoffLimit"], pod["restartPolicy"]) == (0, "Never")
    assert "torch" in spec["mlPolicy"]


def test_the_role_is_bound_to_the_runs_service_account() -> None:
    role, binding = read("role.yaml"), read("rolebinding.yaml")
    base = yaml.safe_load((COMPONENT.parents[1] / "base" / "serviceaccount.yaml").read_text())
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": base["metadata"]["name"]}]
    assert "*" not in yaml.safe_dump(role["rules"])


@needs_kubectl
def test_an_overlay_with_the_component_renders(tmp_path: Path) -> None:
    for name in ("base", "components"):
        shutil.copytree(COMPONENT.parents[1] / name, tmp_path / name)
    overlay = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "team",
        "resources": ["./base"],
        "components": ["./components/trainjob"],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    found = {one["kind"]: one for one in yaml.safe_load_all(kustomize(tmp_path))}
    assert {one["metadata"].get("namespace") for kind, one in found.items() if kind != "Namespace"} == {"team"}
    assert found["RoleBinding"]["subjects"][0]["namespace"] == "team"
    assert {"Role", "TrainingRuntime", "ConfigMap"} <= found.keys()
