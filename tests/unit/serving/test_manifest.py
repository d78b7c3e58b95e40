"""What serving asks of the cluster: accepted by Kubernetes and KServe, locked down, and the same for the same version."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ratchet.errors import ModelError, RecipeError
from ratchet.model_files import CARD
from ratchet.registry import open_registry
from ratchet.registry.base import ModelVersion
from ratchet.services.fake_kubernetes import crd_versions
from ratchet.serving import ServingConfig
from ratchet.serving.cluster import exchanged
from ratchet.serving.fetching import fetch_version
from ratchet.serving.manifest import CANARY, STABLE, Wanted, deployment, inference_service, pod, service
from ratchet.settings import Settings
from ratchet.store import open_store
from tests.fake_cluster import crd, needs_crds
from tests.kubernetes_kinds import VERSIONS, complaints
from tests.kustomize import MANIFESTS

FULL: dict[str, Any] = {
    "image": "registry.example/ratchet-inference@sha256:ab",
    "arguments": ["--max-model-len", "4096"],
    "environment": {"HF_HUB_OFFLINE": "1"},
    "secrets": {"ratchet-s3": {"key": "AWS_ACCESS_KEY_ID"}},
    "node_selector": {"pool": "gpu"},
    "tolerations": [{"key": "nvidia.com/gpu"}],
    "service_account": "served",
    "pull_secrets": ["registry"],
}


def wanted(loop: str = "mine", version: str = "3", **config: Any) -> Wanted:
    made = ModelVersion(
        name=loop, version=version, uri="s3://x", digest="d" * 64, created=datetime(2026, 1, 1, tzinfo=UTC)
    )
    return Wanted(loop, made, ServingConfig.model_validate({**FULL, **config}))


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_accepts_deployment_and_service(version: str) -> None:
    for track in (STABLE, CANARY):
        assert complaints(deployment(wanted(), track), version) == []
        assert complaints(service(wanted(), track), version) == []


@needs_crds
@pytest.mark.parametrize("percent", [None, 0, 10])
def test_kserve_accepts_the_inference_service(percent: int | None) -> None:
    schemas = dict(crd_versions(crd("kserve_serving.kserve.io_inferenceservices")))
    assert schemas["v1beta1"].complaints(inference_service(wanted(), percent)) == []


def test_pods_fit_the_level_restricted_and_any_user_id() -> None:
    spec = pod(wanted())
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert spec["automountServiceAccountToken"] is False
    for one in [*spec["initContainers"], *spec["containers"]]:
        assert one["securityContext"]["readOnlyRootFilesystem"] is True
        assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"requests", "limits"} == one["resources"].keys()


def secrets(one: dict[str, Any]) -> dict[str, bool]:
    """Of a container the variables that come from secrets, and whether it starts without."""
    sources = {
        variable["name"]: variable["valueFrom"]["secretKeyRef"] for variable in one["env"] if "valueFrom" in variable
    }
    return {name: source.get("optional", False) for name, source in sources.items()}


def test_pods_start_without_optional_secrets() -> None:
    given = {"ratchet-mlflow": {"user": "MLFLOW_TRACKING_USERNAME"}}
    spec = pod(wanted(optional_secrets=given))
    for one in [*spec["initContainers"], *spec["containers"]]:
        assert secrets(one) == {"AWS_ACCESS_KEY_ID": False, "MLFLOW_TRACKING_USERNAME": True}


def test_fetching_may_take_the_memory_of_serving_unless_the_config_says_otherwise() -> None:
    for given, memory in (({}, "32Gi"), ({"memory": "64Gi"}, "64Gi"), ({"fetch_memory": "80Gi"}, "80Gi")):
        resources = pod(wanted(**given))["initContainers"][0]["resources"]
        assert {resources["requests"]["memory"], resources["limits"]["memory"]} == {memory}


def test_knative_waits_for_a_revision_as_long_as_the_config_and_its_address_is_the_clusters() -> None:
    made = inference_service(wanted(canary={"ready_minutes": 45}))["metadata"]
    assert made["annotations"]["serving.knative.dev/progress-deadline"] == "2700s"
    assert made["labels"]["networking.knative.dev/visibility"] == "cluster-local"


def test_a_patch_names_what_is_gone() -> None:
    old = {"a": {"b": 1, "c": 2}, "d": [1], "e": 3}
    assert exchanged(old, {"a": {"b": 4}, "d": [2]}) == {"a": {"b": 4, "c": None}, "d": [2], "e": None}


def test_the_same_version_and_config_are_the_same_pods_and_others_are_not() -> None:
    assert wanted().spec == wanted().spec
    others = [wanted(version="4"), wanted(gpus=2), wanted(replicas=2), wanted(kind="kserve")]
    assert len({one.spec for one in (wanted(), *others)}) == 5
    # How careful a step is changes nothing of what serves.
    assert wanted(canary={"percent": 50}).spec == wanted().spec


@pytest.mark.parametrize("loop", ["mine", "a" * 63, "a-" * 31 + "b"])
def test_names_are_short_labels_and_the_loops_own(loop: str) -> None:
    name = wanted(loop).name
    assert len(name) <= 40
    assert name == name.strip("-")
    assert name.startswith("ratchet-")


def test_a_config_that_is_none_is_refused_with_its_file(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no serving config"):
        ServingConfig.load(tmp_path / "serving.yaml")
    (tmp_path / "serving.yaml").write_text("image: x\ngpu: none\n")
    with pytest.raises(RecipeError, match=r"serving\.yaml is not valid"):
        ServingConfig.load(tmp_path / "serving.yaml")


@pytest.mark.parametrize("kind", ["deployment", "kserve"])
def test_the_shipped_configs_are_valid_and_read_the_secrets_of_rounds_where_they_are(kind: str) -> None:
    config = ServingConfig.load(MANIFESTS / "components" / f"serving-{kind}" / "serving.yaml")
    assert (config.kind, config.secrets) == (kind, {})
    assert config.optional_secrets.keys() == {"ratchet-s3", "ratchet-mlflow"}


def test_a_version_is_fetched_by_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ratchet import models
    from ratchet.tinyworld.seed import SEED_DIR

    monkeypatch.setenv("RATCHET_CACHE", str(tmp_path / "cache"))
    settings = Settings(root=str(tmp_path / "store"), registry="store")
    store = open_store(settings.root)
    ref = models.upload(store, SEED_DIR, "mine")
    made = open_registry(settings, store).register("mine", ref.uri, ref.digest)
    place = fetch_version(settings, "mine", made.version, tmp_path / "models" / "champion", ref.digest)
    assert (place / "config.json").is_file()
    assert (place / CARD).is_file()
    assert fetch_version(settings, "mine", made.version, place, ref.digest) == place
    with pytest.raises(ModelError, match="was asked for"):
        fetch_version(settings, "mine", made.version, place, "0" * 64)
