"""Disk, shared memory, GPUs, variables and libraries of the machine that a stage runs on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

import ratchet
from ratchet.preflight import Answer, Asked, Machine
from tests.unit.loops import new_loop
from tests.unit.preflight.checks import answered, fails

GPU = {"resources": {"train": {"gpus": 2}}, "launcher": {"kind": "torchrun", "processes": 2}}
SECRETS = {"secrets": {"keys": {"a": "SOME_KEY"}}, "config_maps": {"places": {"b": "SOME_PLACE"}}}


def ask(
    name: str, profile: object = None, machine: Machine | None = None, *, inside: bool = True, **changes: str
) -> Answer:
    text = yaml.safe_dump(profile) if profile else None
    return answered(name, Asked(profile=text, stage="train", inside=inside), machine, **changes)


@fails("disk")
def test_a_disk_with_room_passes_and_one_without_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = new_loop(tmp_path)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    there = Machine(temporary=tmp_path)
    assert answered("disk", Asked(loop="mine", stage="train", inside=True), there).result == "ok"
    # The champion's card is what is looked at: a model that no disk holds.
    huge(settings.root)
    answer = answered("disk", Asked(loop="mine", stage="train", inside=True), there)
    assert (answer.result, "of the champion" in answer.seen) == ("fail", True)
    assert answered("disk", Asked(loop="mine", stage="finish", inside=True), there).result == "ok"


def huge(root: str) -> None:
    """Make a champion of a petabyte, by its card."""
    from ratchet import canonical
    from ratchet.model_files import CARD, ModelCard, ModelFile, files_digest
    from ratchet.registry import open_registry
    from ratchet.settings import Settings
    from ratchet.store import open_store

    store = open_store(root)
    files = (ModelFile(path="model.safetensors", sha256="0" * 64, size=10**15),)
    digest = files_digest(files)
    card = ModelCard(name="mine", digest=digest, files=files)
    store.put(f"models/mine/{digest}/{CARD}", canonical.pretty(card.model_dump(mode="json")))
    registry = open_registry(Settings(root=root, registry="store"), store)
    made = registry.register("mine", store.uri(f"models/mine/{digest}"), digest)
    assert registry.set_champion("mine", made.version, expected="1")


def test_a_folder_that_does_not_exist_yet_is_measured_where_it_will_be(tmp_path: Path) -> None:
    assert ask("disk", machine=Machine(temporary=tmp_path / "a" / "b")).result == "ok"


@fails("shm")
def test_shared_memory_is_looked_at_where_the_stage_has_gpus(tmp_path: Path) -> None:
    assert ask("shm").result == "skipped"
    assert ask("shm", GPU, inside=False).result == "skipped"
    small = {**GPU, "resources": {"train": {"gpus": 2, "shm": "1Mi"}}}
    assert ask("shm", small, Machine(shm=tmp_path)).result == "ok"
    large = {**GPU, "resources": {"train": {"gpus": 2, "shm": "900Ti", "memory": "999Ti"}}}
    answer = ask("shm", large, Machine(shm=tmp_path))
    assert (answer.result, "921600.00 GiB are wanted" in answer.seen) == ("fail", True)
    assert ask("shm", GPU, Machine(shm=tmp_path / "none")).result == "fail"


@fails("gpu")
def test_as_many_gpus_as_the_stage_asks_for(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"nvidia{number}").touch()
    (tmp_path / "nvidiactl").touch()
    assert ask("gpu", GPU, Machine(devices=tmp_path)).result == "ok"
    (tmp_path / "nvidia1").unlink()
    answer = ask("gpu", GPU, Machine(devices=tmp_path))
    assert (answer.result, answer.seen) == ("fail", "1 of 2 nvidia.com/gpu in this pod")
    amd = {**GPU, "resources": {"train": {"gpus": 2, "gpu": "amd.com/gpu"}}}
    assert ask("gpu", amd, Machine(devices=tmp_path)).seen == "0 of 2 amd.com/gpu in this pod"
    assert ask("gpu").result == "skipped"


@fails("variables")
def test_variables_of_secrets_and_config_maps_are_set_in_the_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask("variables", SECRETS, inside=False).result == "skipped"
    monkeypatch.setenv("SOME_KEY", "a-secret-value")
    monkeypatch.setenv("SOME_PLACE", "")
    answer = ask("variables", SECRETS)
    assert (answer.result, answer.seen) == ("fail", "not set in this pod, or empty: SOME_PLACE (from places)")
    monkeypatch.setenv("SOME_PLACE", "there")
    answer = ask("variables", SECRETS)
    assert (answer.result, "a-secret-value" in str(answer)) == ("ok", False)


def test_libraries_are_those_that_ratchet_was_made_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask("versions").result == "ok"
    folder = tmp_path / "thing-1.dist-info"
    folder.mkdir()
    wants = [
        "numpy<1",
        "no-such-thing>=2",
        "pydantic>=2",
        "numpy<2 ; extra == 'old'",
        "nothing ; sys_platform == 'win32'",
    ]
    lines = ["Metadata-Version: 2.1", "Name: thing", "Version: 1", "Requires-Python: >=4"]
    (folder / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {one}" for one in wants)]))
    # Not syspath_prepend, which warns where some library has loaded pkg_resources.
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    answer = ask("versions", machine=Machine(distribution="thing"))
    assert answer.result == "fail"
    for words in ("Python 3.", "(wants >=4)", "(wants <1)", "(wants <2)"):
        assert words in answer.seen
    assert "pydantic" not in answer.seen
    (folder / "METADATA").write_text("\n".join([*lines[:3], "Requires-Dist: no-such-thing>=2"]))
    answer = ask("versions", machine=Machine(distribution="thing"))
    assert (answer.result, answer.seen) == ("warn", "not installed here: no-such-thing")
    assert ask("versions", machine=Machine(distribution="no-such-thing")).result == "warn"


@fails("versions")
def test_a_pipeline_of_another_ratchet_is_told() -> None:
    answer = ask("versions", version="0.0.1")
    assert (answer.result, f"compiled by ratchet 0.0.1, here is {ratchet.__version__}" in answer.seen) == ("fail", True)
