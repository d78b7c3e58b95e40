"""The profile: where a round runs. Images, resources, secrets' names; fixed when the pipeline is compiled."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from ratchet.errors import RecipeError
from ratchet.recipe import Recipe
from ratchet.records import Record

IMAGE_OF_TASK: Mapping[str, str] = {
    "begin": "core",
    "generate": "inference",
    "generate-shard": "inference",
    "merge": "core",
    "verify": "core",
    "filter": "core",
    "train": "training",
    "evaluate": "inference",
    "promote": "core",
    "finish": "core",
}


RESOURCES_OF_TASK: Mapping[str, str] = {"generate-shard": "generate"}
"""Tasks that get a stage's resources; all others have their own name's."""


class Resources(Record):
    """Of one stage's container, in Kubernetes' units. `gpus` of the type `gpu`."""

    cpu: str = "2"
    memory: str = "4Gi"
    gpus: int = Field(0, ge=0)
    gpu: str = "nvidia.com/gpu"


class Profile(Record):
    """Where a round runs.

    `images` by dependency set (core, inference, training); `resources` and `retries` by stage; `secrets` maps a secret's
    name to {key in the secret: environment variable}; `environment` holds plain, public variables.
    """

    name: str = "local"
    images: dict[str, str] = {
        "core": "python:ratchet-core",
        "inference": "python:ratchet-inference",
        "training": "python:ratchet-training",
    }
    resources: dict[str, Resources] = {}
    retries: int = Field(1, ge=0)
    parallelism: int = Field(
        1, ge=1, le=256, description="shards of generate that run side by side; 1: one task makes them all"
    )
    secrets: dict[str, dict[str, str]] = {}
    environment: dict[str, str] = {}
    engines: tuple[str, ...] = ("transformers", "vllm", "endpoint")
    methods: tuple[str, ...] = ("sft", "dpo")

    @classmethod
    def load(cls, given: str | None) -> Profile:
        """From a YAML or JSON file or its text; None is the built-in local profile. Raises RecipeError."""
        if not given:
            return cls()
        inline = "\n" in given or given.lstrip().startswith("{")
        path = Path(given)
        if not inline and not path.is_file():
            raise RecipeError(
                f"no profile file {given}; give a path to a YAML file, or leave it out for the local profile."
            )
        try:
            return cls.model_validate(yaml.safe_load(given if inline else path.read_text(encoding="utf-8")))
        except (ValidationError, yaml.YAMLError) as error:
            raise RecipeError(f"profile {'given inline' if inline else given} is not valid: {error}") from error

    def check(self, recipe: Recipe) -> None:
        """Raise RecipeError when the recipe needs more than this profile has."""
        if recipe.generate.engine.kind not in self.engines:
            raise RecipeError(
                f"recipe {recipe.name} generates with engine {recipe.generate.engine.kind}; profile {self.name} has {', '.join(self.engines)}. "
                "Change generate.engine, or compile with a profile that has it."
            )
        if recipe.train.method not in self.methods:
            raise RecipeError(
                f"recipe {recipe.name} trains by {recipe.train.method}; profile {self.name} allows {', '.join(self.methods)}. "
                "Change train.method, or compile with a profile that allows it."
            )

    def resources_of(self, stage: str) -> Resources:
        return self.resources.get(stage, Resources())


def threads() -> int:
    """Threads a process computes with: OMP_NUM_THREADS, else 1. Two on busy cores are many times slower than one."""
    return int(os.environ.get("OMP_NUM_THREADS", "1"))
