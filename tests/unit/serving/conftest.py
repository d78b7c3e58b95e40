"""A cluster, a loop with a champion and a round, and what stands for the pods that serve."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from ratchet.registry import open_registry
from ratchet.registry.base import ROUND, Lineage, Registry
from ratchet.services.fake_kubernetes import FakeKubernetes, FakeServing
from ratchet.services.fake_kubernetes.serving import DEPLOYMENT, SERVICE
from ratchet.serving import Followed, ServingConfig, follow
from ratchet.serving.cluster import Cluster
from ratchet.serving.manifest import Wanted
from ratchet.settings import Settings
from ratchet.store import open_store
from ratchet.train.launchers.trainjob.api import connect
from tests.fake_cluster import CRDS, NAMESPACE, crd, kubeconfig
from tests.unit.loops import LOOP, new_loop, opened

COMPONENTS = Path(__file__).resolve().parents[3] / "manifests" / "components"
FAST = {"soak_seconds": 0.1, "ready_minutes": 2, "request_seconds": 60}
SOON = 0.02
"""Minutes for pods that never start; those that start may take longer on a busy machine."""


@dataclass
class World:
    """Where the tests of serving play."""

    settings: Settings
    fake: FakeKubernetes
    pods: FakeServing
    registry: Registry
    kind: str
    said: list[str] = field(default_factory=list)

    @property
    def cluster(self) -> Cluster:
        return Cluster(connect(), poll=0.02, away=60)

    def config(self, **canary: Any) -> ServingConfig:
        url = {"url": self.pods.url} if self.kind == "deployment" else {}
        given = {"kind": self.kind, "image": "registry.example/ratchet-inference@sha256:ab", "replicas": 2, "gpus": 1}
        return ServingConfig.model_validate({**given, "canary": {**FAST, **url, **canary}})

    def follow(
        self, version: str | None = None, again: bool = False, config: ServingConfig | None = None, **canary: Any
    ) -> Followed:
        config = config or self.config(**canary)
        return follow(self.settings, LOOP, version, config, cluster=self.cluster, again=again, say=self.said.append)

    def promote(self) -> str:
        """Another version becomes champion."""
        now = self.registry.champion(LOOP)
        assert now is not None
        digest = f"{int(now.version) + 1:064d}"
        made = self.registry.register(LOOP, f"s3://models/{digest}", digest, Lineage(tags={ROUND: now.version}))
        assert self.registry.set_champion(LOOP, made.version, expected=now.version)
        return made.version

    def object(self, name: str = f"ratchet-{LOOP}", plural: str | None = None) -> dict[str, Any]:
        usual = "deployments" if self.kind == "deployment" else "inferenceservices"
        return self.fake.state.get(self.fake.kind(plural or usual), NAMESPACE, name)

    def pod(self) -> dict[str, Any]:
        """The spec of its pods, in an InferenceService the predictor's."""
        spec = self.object()["spec"]
        found: dict[str, Any] = spec["template"]["spec"] if self.kind == "deployment" else spec["predictor"]
        return found

    def wanted(self) -> Wanted:
        champion = self.registry.champion(LOOP)
        assert champion is not None
        return Wanted(LOOP, champion, self.config())

    def names(self, plural: str) -> list[str]:
        return [one["metadata"]["name"] for one in self.fake.state.list(self.fake.kind(plural))]


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A loop with a champion and a round, begun once: that is most of what a test here would cost."""
    folder = tmp_path_factory.mktemp("serving")
    settings = new_loop(folder)
    opened(
        settings,
        recipe="{name: small, prompts: {pool: 2, validation: 3, holdout: 2, report: 1}, promote: {min_items: 2}}",
    )
    shutil.copytree(settings.root, folder / "as-begun")
    return settings


@pytest.fixture
def settings(begun: Settings) -> Settings:
    """The same place, as it was when the round had begun: what is stored there names it."""
    root = Path(begun.root)
    shutil.rmtree(root)
    shutil.copytree(root.parent / "as-begun", root)
    return begun


@cache
def _inference_services() -> dict[str, Any]:
    """Not to be changed: it is shared, and takes a second to read."""
    return crd("kserve_serving.kserve.io_inferenceservices")


def _world(kind: str, settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    role = yaml.safe_load((COMPONENTS / f"serving-{kind}" / "role.yaml").read_text())
    crds = [_inference_services()] if kind == "kserve" else []
    with FakeKubernetes(crds, [DEPLOYMENT, SERVICE], roles=[role]) as fake, FakeServing(fake, LOOP) as pods:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(folder, fake.url)))
        yield World(settings, fake, pods, open_registry(settings, open_store(settings.root)), kind)


@pytest.fixture(params=["deployment", "kserve"])
def world(
    request: pytest.FixtureRequest, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    if request.param == "kserve" and not CRDS.is_dir():
        pytest.skip("needs ../shared/crds")
    yield from _world(request.param, settings, tmp_path, monkeypatch)


@pytest.fixture
def deployments(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    yield from _world("deployment", settings, tmp_path, monkeypatch)


@pytest.fixture
def kserve(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    if not CRDS.is_dir():
        pytest.skip("needs ../shared/crds")
    yield from _world("kserve", settings, tmp_path, monkeypatch)
