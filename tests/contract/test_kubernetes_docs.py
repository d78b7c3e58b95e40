"""docs/kubernetes.md and docs/serving.md: their tables and their examples are true; commands: test_commands_of_the_docs.py."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from ratchet.serving import ServingConfig
from ratchet.serving.config import CanaryConfig
from tests.commands import blocks
from tests.kustomize import DIGEST, MANIFESTS, OVERLAYS, kustomize, needs_kubectl, objects

DOCS = MANIFESTS.parent / "docs"
ADDRESSES = {
    "RATCHET_ROOT": "s3://my-bucket/ratchet",
    "MLFLOW_TRACKING_URI": "http://mlflow.mlflow.svc:5000",
    "AWS_REGION": "eu-central-1",
}
KUBERNETES = (DOCS / "kubernetes.md").read_text()
SERVING = (DOCS / "serving.md").read_text()


def rows(text: str, head: str) -> list[list[str]]:
    """Of the table whose first row begins with `head`."""
    table = text.split(f"| {head} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_overlay_and_component_has_its_row() -> None:
    assert {names(row[0])[0] for row in rows(KUBERNETES, "overlay | for | brings")} == set(OVERLAYS)
    listed = [names(row[0])[0] for row in rows(KUBERNETES, "component | what")]
    assert listed == sorted(one.name for one in (MANIFESTS / "components").iterdir())


def test_the_table_of_secrets_is_that_of_the_examples() -> None:
    told = {names(row[0])[0]: set(row[1].split(", ")) for row in rows(KUBERNETES, "secret | keys | who")}
    found = {}
    for file in (MANIFESTS / "components").glob("*/*.env.example"):
        keys = {line.partition("=")[0] for line in file.read_text().splitlines() if line and not line.startswith("#")}
        found[f"ratchet-{file.name.removesuffix('.env.example')}"] = keys
    assert told == {**found, "ratchet-seaweedfs": {"s3.json"}}


@needs_kubectl
def test_the_table_of_rights_names_every_service_account() -> None:
    told = {names(row[0])[0] for row in rows(KUBERNETES, "service account | asks the API server for | because")}
    assert told == {one["metadata"]["name"] for one in objects("gpu") if one["kind"] == "ServiceAccount"}


@needs_kubectl
@pytest.mark.parametrize(
    ("head", "namespace"),
    [
        ("# mine/kustomization.yaml\n", "kubeflow-user"),
        ("# mine/kustomization.yaml, on a fresh cluster\n", "kubeflow"),
    ],
)
def test_the_overlays_of_the_instructions_render_with_their_images_profile_and_addresses(
    tmp_path: Path, head: str, namespace: str
) -> None:
    (block,) = (one for one in blocks(KUBERNETES, "yaml") if one.startswith(head))
    shutil.copytree(MANIFESTS, tmp_path / "ratchet" / "manifests")
    for example in (tmp_path / "ratchet").rglob("*.example"):
        example.rename(example.with_suffix(""))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kustomization.yaml").write_text(block.replace("sha256:...", DIGEST))
    (tmp_path / "mine" / "profile.yaml").write_text("{name: mine}")
    found = list(yaml.safe_load_all(kustomize(tmp_path / "mine")))
    assert {one["metadata"].get("namespace") for one in found} == {namespace}
    (config,) = (one for one in found if one["metadata"]["name"] == "ratchet" and one["kind"] == "ConfigMap")
    if namespace == "kubeflow-user":
        assert config["data"].items() >= ADDRESSES.items()
    (profile,) = (one for one in found if one["metadata"]["name"].startswith("ratchet-profile"))
    assert profile["data"]["profile.yaml"] == "{name: mine}"
    assert f"registry.example/you/ratchet-core@{DIGEST}" in _images(found)
    assert not [one for one in _images(found) if "ratchet" in one and DIGEST not in one]


def _images(found: list[Any]) -> set[str]:
    return set(re.findall(r"image: (\S+)", yaml.safe_dump_all(found)))


def _fields(model: type[BaseModel], prefix: str = "") -> set[str]:
    return {f"{prefix}{name}" for name in model.model_fields}


def test_the_table_of_fields_is_that_of_the_config() -> None:
    told = [name for row in rows(SERVING, "field | default | what") for name in names(row[0])]
    assert len(told) == len(set(told))
    assert set(told) == (_fields(ServingConfig) - {"canary"}) | _fields(CanaryConfig, "canary.")


def test_the_defaults_told_are_those_of_the_config() -> None:
    config = ServingConfig(image="x")
    for fields, told, _ in rows(SERVING, "field | default | what"):
        for name, value in zip(names(fields), told.split(", "), strict=False):
            found: Any = config
            for part in name.split("."):
                found = getattr(found, part)
            if told and name != "name":
                assert str(found) in (value, f"{value}.0"), name


def test_the_example_is_valid() -> None:
    (block,) = re.findall(r"```yaml\n# serving.yaml\n(.*?)```", SERVING, re.S)
    assert ServingConfig.model_validate(yaml.safe_load(block)).canary.percent == 10
