"""The custom resource definitions of a real cluster, for the fake one. They lie beside the checkout, not in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from ratchet.services.fake_kubernetes import FakeKubernetes, Kind

CRDS = Path(__file__).resolve().parents[2] / "shared" / "crds"
needs_crds = pytest.mark.skipif(not CRDS.is_dir(), reason="needs ../shared/crds")


@cache
def crd(name: str) -> dict[str, Any]:
    """A definition by its file's name."""
    with (CRDS / f"{name}.yaml").open() as file:
        loaded: dict[str, Any] = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return loaded


NAMESPACE = "team"
POD = "ratchet-round-train-1"
WORKFLOW = Kind("argoproj.io", "v1alpha1", "workflows", "Workflow")
WORKLOAD = Kind("kueue.x-k8s.io", "v1beta2", "workloads", "Workload")
ROLE = Path(__file__).resolve().parents[1] / "manifests" / "components" / "trainjob" / "role.yaml"


@contextmanager
def cluster(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKubernetes]:
    """A fake cluster that allows what our Role allows, with the pod of this process and the workflow that owns it."""
    rules = yaml.safe_load(ROLE.read_text())
    with FakeKubernetes([crd("trainer_trainjobs")], [WORKFLOW, WORKLOAD], roles=[rules]) as fake:
        workflow = fake.state.create(WORKFLOW, NAMESPACE, {"metadata": {"name": "ratchet-round"}})
        owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "ratchet-round", "controller": True}
        pod = {
            "metadata": {"name": POD, "ownerReferences": [{**owner, "uid": workflow["metadata"]["uid"]}], "labels": {}},
            "spec": {},
            "status": {"phase": "Running"},
        }
        fake.state.create(fake.kind("pods"), NAMESPACE, pod)
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(folder, fake.url)))
        monkeypatch.setenv("KFP_POD_NAME", POD)
        yield fake


def kubeconfig(folder: Path, url: str) -> Path:
    """A file that leads clients to the server at `url`."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "fake",
        "clusters": [{"name": "fake", "cluster": {"server": url}}],
        "users": [{"name": "me", "user": {}}],
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "me", "namespace": NAMESPACE}}],
    }
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(config))
    return file
