"""What a TrainJob of Kubeflow Trainer asks of its cluster."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from ratchet.records import Record

RECORD = "trainjob.json"
"""In the round's place: which TrainJob it has, for the exit task."""
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|[kMGTPE]i?)?")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def _quantity(value: str) -> str:
    if not _QUANTITY.fullmatch(value):
        raise ValueError(f"{value!r} is no quantity of Kubernetes; write such as 4, 500m, 16Gi")
    return value


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(
            f"{value!r} is no name of Kubernetes: lower-case letters, digits, dashes and dots, at most 253"
        )
    return value


def _label(value: str) -> str:
    if not _LABEL.fullmatch(value):
        raise ValueError(f"{value!r} cannot be a label's value: letters, digits, dashes, dots, underscores, at most 63")
    return value


Quantity = Annotated[str, AfterValidator(_quantity)]
Name = Annotated[str, AfterValidator(_name)]
Label = Annotated[str, AfterValidator(_label)]


class Toleration(Record):
    """A taint that the training's pods bear. Without a key all taints."""

    key: str | None = None
    operator: Literal["Exists", "Equal"] = "Exists"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    seconds: int | None = Field(None, ge=0, description="NoExecute: how long a running pod bears it; null: for ever")

    @model_validator(mode="after")
    def _as_kubernetes_wants(self) -> Toleration:
        if (self.value is not None) != (self.operator == "Equal"):
            raise ValueError("a toleration has a value with operator Equal, and only then; set both or neither")
        if self.key is None and self.operator == "Equal":
            raise ValueError("a toleration with operator Equal needs the taint's key")
        if self.seconds is not None and self.effect != "NoExecute":
            raise ValueError("a toleration's seconds count with effect NoExecute only; set it, or remove seconds")
        return self

    def manifest(self) -> dict[str, Any]:
        """As a pod's spec has it."""
        named = {"key": self.key, "operator": self.operator, "value": self.value, "effect": self.effect}
        found: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
        return found if self.seconds is None else {**found, "tolerationSeconds": self.seconds}


class TrainJobConfig(Record):
    """The profile's `launcher.trainjob`. The launcher's `nodes` are the job's pods, `processes` what each of them starts.

    `cpu`, `memory` and `gpus` are a node's. The job lies in the namespace of the run that owns it.
    """

    runtime: Name = Field(
        "torch-distributed", description="the runtime it is made from; manifests/components/trainjob has ratchet-torch"
    )
    runtime_kind: Literal["ClusterTrainingRuntime", "TrainingRuntime"] = "ClusterTrainingRuntime"
    image: str | None = Field(
        None,
        min_length=1,
        max_length=500,
        description="null: the profile's for train, or its training image where train has core",
    )
    cpu: Quantity = "4"
    memory: Quantity = "16Gi"
    gpus: int = Field(0, ge=0, le=64)
    gpu: str = Field("nvidia.com/gpu", pattern=r"^[a-z0-9.-]+/[A-Za-z0-9._-]+$")
    shared_memory: Quantity | None = Field(
        "2Gi", description="/dev/shm, part of the node's memory; null: the container's 64 MiB"
    )
    environment: dict[str, str] = Field({}, description="variables beside the profile's")
    secrets: dict[str, dict[str, str]] = Field({}, description="secrets beside the profile's, in the same form")
    optional_secrets: dict[str, dict[str, str]] = Field({}, description="the same; the pods start where one is missing")
    config_maps: dict[str, dict[str, str]] = Field({}, description="config maps beside the profile's, in the same form")
    optional_config_maps: dict[str, dict[str, str]] = Field({}, description="the same, where one may be missing")
    tolerations: tuple[Toleration, ...] = ()
    node_selector: dict[str, Label] = {}
    queue: Label | None = Field(None, description="Kueue's LocalQueue that admits the job; null: no queue")
    priority: Label | None = Field(None, description="Kueue's WorkloadPriorityClass")
    service_account: Name | None = Field(None, description="of the training's pods; null: the namespace's default")
    pull_secrets: tuple[Name, ...] = ()
    hours: float | None = Field(
        None, gt=0, description="of running until the job is stopped, queueing apart; null: none"
    )
    queue_hours: float | None = Field(None, gt=0, description="in the queue until it is given up; null: no limit")
    start_minutes: float = Field(
        30.0, gt=0, description="from admission until every node runs (images, new machines); then it is given up"
    )

    @model_validator(mode="after")
    def _queued(self) -> TrainJobConfig:
        if self.queue is None and (self.priority is not None or self.queue_hours is not None):
            raise ValueError(
                "launcher.trainjob.priority and queue_hours are of a queue; set launcher.trainjob.queue, or remove them"
            )
        return self

    @field_validator("environment")
    @classmethod
    def _not_the_runtimes(cls, value: dict[str, str]) -> dict[str, str]:
        taken = sorted(name for name in value if name.startswith("PET_"))
        if taken:
            raise ValueError(f"{', '.join(taken)} are set by the runtime for torchrun; remove them")
        return value

    @property
    def resources(self) -> dict[str, str]:
        """A node's, by the names that Kubernetes has for them."""
        gpus = {self.gpu: str(self.gpus)} if self.gpus else {}
        return {"cpu": self.cpu, "memory": self.memory, **gpus}

    def filled(
        self, image: str, environment: Mapping[str, str], secrets: Mapping[str, Mapping[str, str]]
    ) -> TrainJobConfig:
        """With what the profile says for all stages. Raises ValueError for a variable that is given twice."""
        joined = _joined(secrets, self.secrets)
        variables = {**environment, **self.environment}
        named = [*variables, *(variable for keys in joined.values() for variable in keys.values())]
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            raise ValueError(
                f"the TrainJob's variables {', '.join(twice)} are given twice, in environment and secrets; give each once"
            )
        given = {"image": self.image or image or None, "environment": variables, "secrets": joined}
        return self.model_copy(update=given)

    def beside(
        self,
        optional_secrets: Mapping[str, Mapping[str, str]],
        config_maps: Mapping[str, Mapping[str, str]],
        optional_config_maps: Mapping[str, Mapping[str, str]],
        pull_secrets: tuple[str, ...],
    ) -> TrainJobConfig:
        """With what the profile says of names that pods may lack, and of the images' registry. What it says itself stays."""
        given = {
            "optional_secrets": _joined(optional_secrets, self.optional_secrets),
            "config_maps": _joined(config_maps, self.config_maps),
            "optional_config_maps": _joined(optional_config_maps, self.optional_config_maps),
            "pull_secrets": self.pull_secrets or pull_secrets,
        }
        return self.model_copy(update=given)


def _joined(shared: Mapping[str, Mapping[str, str]], own: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    return {name: {**shared.get(name, {}), **own.get(name, {})} for name in {**shared, **own}}
