"""Build the images with docker or podman: python Dockerfiles/build.py [--gpu] [--tag T] [--registry R] [--push]. Needs Python alone.

Prints what a profile's `images` takes: each image's name, its digest once it is pushed (else its id), and its size. The
layers of core are those of training, and training's are those of inference, so a node fetches each once.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("core", "training", "inference", "trigger")
BASE = "python:3.11-slim-bookworm"
ARGUMENTS = {
    "cpu": {
        "TORCH": "cpu",
        "TORCH_LOCK": "requirements/cpu.lock",
        "VLLM_LOCK": "requirements/inference.lock",
        "PACKAGES": "libnuma1 libseccomp2",
    },
    "gpu": {
        "TORCH": "",
        "TORCH_LOCK": "requirements/gpu-training.lock",
        "VLLM_LOCK": "requirements/gpu-inference.lock",
        "PACKAGES": "libnuma1 libseccomp2 gcc libc6-dev",
    },
}
"""By variant. An empty TORCH takes torch from the package index (CUDA's), or from Dockerfiles/wheels. Triton compiles C."""
TAKES = {
    "training": ("TORCH", "TORCH_LOCK", "PACKAGES"),
    "inference": ("TORCH", "TORCH_LOCK", "VLLM_LOCK", "PACKAGES"),
}


@dataclass(frozen=True)
class Build:
    """What is built, and how. `prefix` is before each name: `REGISTRY/ratchet-`."""

    engine: str
    prefix: str
    tag: str
    variant: str = "cpu"
    base: str = BASE
    torch: str | None = None
    network: str | None = None

    def name(self, image: str) -> str:
        """The tagged name of an image. What has no model is the same for both variants."""
        suffix = "-gpu" if self.variant == "gpu" and image in ("training", "inference") else ""
        return f"{self.prefix}{image}:{self.tag}{suffix}"

    def command(self, image: str) -> list[str]:
        given = {"CORE": self.name("core")} if image == "trigger" else {"BASE": self.base, **stamp()}
        known = ARGUMENTS[self.variant] | ({} if self.torch is None else {"TORCH": self.torch})
        given |= {key: known[key] for key in TAKES.get(image, ())}
        words = [self.engine, "build", "-f", f"Dockerfiles/{image}.Dockerfile", "-t", self.name(image)]
        words += [] if self.network is None else ["--network", self.network]
        # podman writes OCI's format by default, which has no HEALTHCHECK.
        words += ["--format", "docker"] if Path(self.engine).name == "podman" else []
        return [*words, *(f"--build-arg={key}={value}" for key, value in given.items()), "."]

    def run(self, image: str) -> None:
        """Build one image; the engine's own output is shown."""
        subprocess.run(self.command(image), cwd=ROOT, check=True, env={**os.environ, "DOCKER_BUILDKIT": "1"})

    def push(self, image: str) -> None:
        subprocess.run([self.engine, "push", self.name(image)], check=True)

    def facts(self, image: str) -> dict[str, object]:
        """Name, digest (None before a push), id, bytes and the layers' ids."""
        asked = [self.engine, "image", "inspect", self.name(image)]
        (found,) = json.loads(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)
        digests = found.get("RepoDigests") or [None]
        layers = found["RootFS"]["Layers"]
        return {
            "name": self.name(image),
            "digest": digests[0],
            "id": found["Id"],
            "bytes": found["Size"],
            "layers": layers,
        }


def stamp() -> dict[str, str]:
    """Version and revision for the labels. An environment's RATCHET_CODE_REVISION goes before git's answer."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^version = "(.+)"$', text, re.M)
    revision = os.environ.get("RATCHET_CODE_REVISION") or _git_revision()
    return {"VERSION": found.group(1) if found else "unknown", "REVISION": revision}


def _git_revision() -> str:
    asked = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    changed = subprocess.run(["git", "diff", "--quiet", "HEAD"], cwd=ROOT, capture_output=True, check=False).returncode
    return f"{asked.stdout.strip()}{'-changed' if changed == 1 else ''}" if asked.returncode == 0 else "unknown"


def engine(given: str | None) -> str:
    """The engine that was asked for, or the first one that is installed."""
    found = given or next((name for name in ("docker", "podman") if shutil.which(name)), None)
    if found is None or shutil.which(found) is None:
        raise SystemExit(f"no {given or 'docker or podman'} on this machine: install one, or name yours with --engine")
    return found


def table(facts: list[dict[str, object]]) -> str:
    rows = [f"{one['name']!s:44} {int(str(one['bytes'])) / 1e6:8.0f} MB  {one['digest'] or one['id']}" for one in facts]
    return "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Build ratchet's images.")
    parser.add_argument("--engine", help="docker, podman, or a path; default: the first that is installed")
    parser.add_argument("--registry", default="", help="such as ghcr.io/you; before each image's name")
    parser.add_argument("--tag", default="dev")
    parser.add_argument("--gpu", action="store_true", help="training and inference for NVIDIA GPUs")
    parser.add_argument("--base", default=BASE, help="the base image of all; for GPUs CUDA comes with torch's wheels")
    parser.add_argument(
        "--torch", help="torch's index: cpu, cu130, ...; empty: the package index or Dockerfiles/wheels"
    )
    parser.add_argument("--network", help="the engine's network while it builds, such as host")
    parser.add_argument("--push", action="store_true", help="push to the registry, and print the digests")
    parser.add_argument("--out", type=Path, help="write the facts here too, as JSON by image")
    parser.add_argument("images", nargs="*", metavar="IMAGE", help=f"which of {', '.join(NAMES)}; default: all")
    given = parser.parse_args()
    if unknown := set(given.images) - set(NAMES):
        parser.error(f"no image {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    if given.push and not given.registry:
        parser.error("--push needs --registry: where to push to")
    prefix = f"{given.registry.rstrip('/')}/ratchet-" if given.registry else "ratchet-"
    variant = "gpu" if given.gpu else "cpu"
    build = Build(engine(given.engine), prefix, given.tag, variant, given.base, given.torch, given.network)
    facts = {}
    for image in given.images or NAMES:
        build.run(image)
        if given.push:
            build.push(image)
        facts[image] = build.facts(image)
    sys.stdout.write(table(list(facts.values())))
    if given.out is not None:
        given.out.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
