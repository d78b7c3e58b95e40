"""What is served, and how: `ratchet serving follow --config serving.yaml`."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError

from ratchet.errors import RecipeError
from ratchet.launching.trainjob import Label, Name, Quantity, Toleration
from ratchet.records import Record

LONGEST_NAME = 40
"""KServe and Knative put `-predictor-00001-deployment` and more behind it, which has to fit the 63 characters of a label."""


class CanaryConfig(Record):
    """How a new version is tried before it takes all traffic."""

    percent: int = Field(
        10, ge=1, le=99, description="kserve: share of the traffic; deployment: one pod beside the others"
    )
    prompts: int = Field(4, ge=0, description="prompts of the validation split that it must answer; 0: health only")
    soak_seconds: float = Field(120.0, ge=0, description="how long it takes its share before it takes all")
    ready_minutes: float = Field(30.0, gt=0, description="from its start until it answers; then it is given up")
    request_seconds: float = Field(120.0, gt=0, description="limit of one request to it")
    url: str | None = Field(
        None, description="where it answers, if its name in the cluster cannot be reached from here"
    )


class ServingConfig(Record):
    """A served model. `secrets` maps a secret's name to {key in the secret: environment variable}, as in the profile."""

    kind: Literal["deployment", "kserve"] = "deployment"
    image: str = Field(min_length=1, description="ratchet-inference, by digest: vLLM, and what fetches the model")
    name: Name | None = Field(None, description="null: ratchet-<loop>")
    replicas: int = Field(1, ge=1)
    cpu: Quantity = "4"
    memory: Quantity = "32Gi"
    fetch_memory: Quantity | None = Field(
        None,
        description="of the container that fetches the model, and merges an adapter with its base; null: as memory",
    )
    gpus: int = Field(1, ge=0, le=64)
    gpu: str = Field("nvidia.com/gpu", pattern=r"^[a-z0-9.-]+/[A-Za-z0-9._-]+$")
    disk: Quantity = Field("100Gi", description="for the model's files")
    shared_memory: Quantity = Field("8Gi", description="/dev/shm, part of the memory")
    arguments: tuple[str, ...] = Field((), description="further arguments of vLLM's server")
    config_map: Name | None = Field("ratchet", description="where RATCHET_ROOT and the registry come from; null: none")
    environment: dict[str, str] = {}
    secrets: dict[str, dict[str, str]] = {}
    optional_secrets: dict[str, dict[str, str]] = Field({}, description="the same; pods start where one is missing")
    node_selector: dict[str, Label] = {}
    tolerations: tuple[Toleration, ...] = ()
    service_account: Name | None = Field(None, description="null: the namespace's default")
    pull_secrets: tuple[Name, ...] = ()
    canary: CanaryConfig = CanaryConfig()

    @classmethod
    def load(cls, file: Path) -> ServingConfig:
        """Raises RecipeError."""
        try:
            return cls.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
        except OSError as error:
            raise RecipeError(f"no serving config {file}: {error.strerror}. docs/serving.md shows one.") from error
        except (ValidationError, yaml.YAMLError) as error:
            raise RecipeError(f"serving config {file} is not valid: {error}") from error

    def name_of(self, loop: str) -> str:
        """The same for every version of a loop: a DNS label of at most `LONGEST_NAME` letters."""
        if self.name is not None:
            return self.name
        whole = re.sub(r"[^a-z0-9]+", "-", f"ratchet-{loop}").strip("-")
        if len(whole) <= LONGEST_NAME:
            return whole
        return f"{whole[: LONGEST_NAME - 7].rstrip('-')}-{hashlib.sha256(loop.encode()).hexdigest()[:6]}"
