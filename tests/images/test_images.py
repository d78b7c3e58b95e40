"""Each image alone: for any user, on a file system that is read-only, without network, and complete."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import ratchet
from tests.images.running import inspect, run

pytestmark = [pytest.mark.slow, pytest.mark.images, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]
SETS = ("core", "training", "inference")
IMPORTS = {
    "core": "kfp, mlflow, boto3, pyarrow, ratchet.cli.app",
    "training": "torch, trl, transformers, peft, ratchet.cli.app",
    "inference": "torch, transformers, ratchet.cli.app",
}
LOCKS = {"core": "core", "training": "cpu", "inference": "inference"}
DISTRIBUTIONS = """
import importlib.metadata as m, json
print(json.dumps({d.name: d.version for d in m.distributions(path=["/opt/ratchet/lib/python3.11/site-packages"])}))
"""
WRITABLE = "find / -xdev -writable -not -type l -not -path '/tmp*' -not -path '/proc/*' -not -path '/dev/*' -not -path '/sys/*'"
Built = dict[str, dict[str, Any]]


@pytest.mark.parametrize("image", SETS)
def test_any_user_may_run_it_on_a_read_only_file_system(built: Built, image: str) -> None:
    code = f"import getpass, os, tempfile; import {IMPORTS[image]}; print(os.getuid(), getpass.getuser(), tempfile.mkdtemp())"
    said = run(built[image]["name"], "python", "-W", "ignore", "-c", code).split()
    assert said[:2] == ["123456", "ratchet"]
    assert said[2].startswith("/tmp/")
    assert "Usage" in run(built[image]["name"], "ratchet", "--help")


@pytest.mark.parametrize("image", SETS)
def test_nothing_but_tmp_may_be_written_by_its_user(built: Built, image: str) -> None:
    assert run(built[image]["name"], "sh", "-c", f"{WRITABLE} 2>/dev/null; true").split() == []


@pytest.mark.parametrize("image", SETS)
def test_its_environment_is_the_lock_and_has_no_installer(built: Built, image: str) -> None:
    found = json.loads(run(built[image]["name"], "python", "-c", DISTRIBUTIONS))
    assert not found.keys() & {"pip", "uv", "cyclonedx-bom"}
    assert normal(found.items()) == locked(LOCKS[image]) | {("ratchet", ratchet.__version__)}


def locked(name: str) -> set[tuple[str, str]]:
    lines = (ROOT / "requirements" / f"{name}.lock").read_text().splitlines()
    return normal(line.split("==") for line in lines if "==" in line)


def normal(pairs: Any) -> set[tuple[str, str]]:
    """Names as PEP 503 has them; without what says that a build of torch is for CPUs."""
    return {(re.sub(r"[-_.]+", "-", name).lower(), version.removesuffix("+cpu")) for name, version in pairs}


@pytest.mark.parametrize("image", SETS)
def test_its_bill_of_materials_names_all_that_is_installed(built: Built, image: str) -> None:
    bill = json.loads(run(built[image]["name"], "cat", "/opt/ratchet/sbom.cdx.json"))
    assert bill["bomFormat"] == "CycloneDX"
    named = normal((one["name"], one["version"]) for one in bill["components"])
    assert named == locked(LOCKS[image]) | {("ratchet", ratchet.__version__)}


@pytest.mark.parametrize("image", [*SETS, "trigger"])
def test_its_labels_say_what_it_is_and_its_user_is_nobody(built: Built, image: str) -> None:
    config: Any = inspect(built[image]["name"])["Config"]
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
    assert labels["title"] == f"ratchet-{image}"
    assert labels["version"] == ratchet.__version__
    assert re.fullmatch(r"[0-9a-f]{40}(-changed)?", labels["revision"])
    assert f"RATCHET_CODE_REVISION={labels['revision']}" in config["Env"]
    assert config["User"] == "65532:65532"
    assert ("Healthcheck" in config) == (image == "trigger")
    assert not [name for name in config["Env"] if re.search(r"SECRET|KEY=|TOKEN|PASSWORD", name)]


def test_the_images_share_the_layers_below_their_own(built: Built) -> None:
    """A node that has training fetches of inference what vLLM adds, and the code."""
    layers = {name: set(built[name]["layers"]) for name in SETS}
    sizes = {name: built[name]["bytes"] for name in SETS}
    own = {name: len(layers[name] - layers["training"]) for name in SETS}
    # Code, bill of materials and what follows are each image's own; all that is below is shared.
    assert own["core"] <= 3
    assert own["inference"] <= 4
    assert sizes["core"] < sizes["training"] < sizes["inference"]


def test_vllm_starts_as_a_library_for_any_user(built: Built) -> None:
    said = run(built["inference"]["name"], "python", "-W", "ignore", "-c", "from vllm import LLM; print(LLM.__name__)")
    assert said.split()[-1] == "LLM"
