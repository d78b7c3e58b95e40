"""docs/kubernetes.md, typed by a newcomer: bash runs its code as it is written, against the fakes of both APIs.

kubectl is a stand-in: what it executes in the trigger's pod runs here, with the variables that the pod has and nobody else.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ratchet.services.fake_pipelines import FakePipelines
from tests.commands import blocks
from tests.kustomize import DIGEST

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
TOKEN = "of-default-editor"
KUBECTL = f"""#!/bin/bash
case "$*" in
  *"create token default-editor --audience pipelines.kubeflow.org") echo {TOKEN} ;;
  *" exec "*) while [ "$1" != -- ]; do shift; done; shift; set -a; . "$POD"; exec "$@" ;;
  apply\\ -k*|*" rollout status "*|*" port-forward "*) ;;
  *) echo "unexpected: kubectl $*" >&2; exit 64 ;;
esac
"""
PLACES = ("RATCHET_ROOT", "RATCHET_REGISTRY", "RATCHET_PROFILE", "MLFLOW_TRACKING_URI", "KFP_ENDPOINT", "KUBECONFIG")


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def code(title: str) -> str:
    return "\n".join(blocks(section(title), "sh"))


class Newcomer:
    """One folder with a checkout in it, a shell, and a cluster behind kubectl."""

    def __init__(self, folder: Path, fake: FakePipelines) -> None:
        self.folder, self.fake = folder, fake
        shutil.copytree(ROOT / "manifests", folder / "ratchet" / "manifests")
        (folder / "bin").mkdir()
        kubectl = folder / "bin" / "kubectl"
        kubectl.write_text(KUBECTL)
        kubectl.chmod(0o755)
        (folder / "pod").write_text(
            f"RATCHET_ROOT={self.root} RATCHET_REGISTRY=store MLFLOW_TRACKING_URI=http://mlflow.mlflow.svc:5000 "
            f"RATCHET_PROFILE={folder / 'mine' / 'profile.yaml'} KFP_ENDPOINT={fake.url}\n"
        )

    @property
    def root(self) -> Path:
        return self.folder / "store"

    def types(self, text: str) -> str:
        """Run it as a shell does; what a laptop cannot know is not there. Every command must succeed."""
        path = f"{self.folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        kept = {name: value for name, value in os.environ.items() if name not in PLACES and not name.startswith("KFP_")}
        env = {**kept, "PATH": path, "POD": str(self.folder / "pod"), "COLUMNS": "250", "OMP_NUM_THREADS": "1"}
        command = ["bash", "-euo", "pipefail", "-c", text]
        done = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def edits(self, namespace: str) -> None:
        """The profile, as the page's table says."""
        file = self.folder / "mine" / "profile.yaml"
        profile = yaml.safe_load(file.read_text())
        profile["namespace"] = namespace
        profile["images"] = {name: f"registry.test/you/ratchet-{name}@{DIGEST}" for name in profile["images"]}
        file.write_text(yaml.safe_dump(profile))


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Newcomer]:
    with FakePipelines(multi_user=True, token=TOKEN) as fake:
        yield Newcomer(tmp_path, fake)


def without_cluster(text: str) -> str:
    """The checks of the cluster itself need one that has nodes: tests/unit/preflight has them."""
    return re.sub(r"--only (account|rights|nodes|queue|secrets|cluster)", "--only profile", text)


def test_the_ten_minutes_end_with_a_round_and_a_schedule(many: Newcomer) -> None:
    first, *rest = blocks(section("On an existing Kubeflow, in ten minutes"), "sh")
    many.types(first)
    many.edits("kubeflow-user")
    out = many.types(without_cluster("\n".join(rest)))
    assert "champion of loop trial: version 1" in out
    assert re.search(r"ratchet-cpu\S*: uploaded", out), out
    assert re.search(r"schedule \S+: made, '0 0 2 \* \* \*'", out), out
    assert len(many.fake.state.runs) == 1
    assert "as wanted" in out
    assert many.fake.state.recurring == {}


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Newcomer]:
    with FakePipelines() as fake:
        yield Newcomer(tmp_path, fake)


def test_a_fresh_cluster_and_an_upgrade_take_the_same_commands(one: Newcomer) -> None:
    shown = "On an existing Kubeflow, in ten minutes"
    first, *_, looks, opens, _ = blocks(section(shown), "sh")
    copies, installs = blocks(section("On a fresh cluster"), "sh")
    rolls, renews = blocks(section("Upgrade"), "sh")
    one.types(first)
    one.types(copies)
    one.edits("kubeflow")
    out = one.types(without_cluster("\n".join((installs, looks, opens, rolls, renews))))
    assert re.search(r"ratchet-cpu\S*: unchanged", out), out
    assert len(one.fake.state.runs) == 1
