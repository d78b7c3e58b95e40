"""What one stage's pods ask of the cluster, and as whom they run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ratchet.launching.trainjob import Label, Toleration
from ratchet.profile.quantities import Cpu, LabelKey, Memory, bytes_of
from ratchet.records import Record

QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
PullPolicy = Literal["Always", "IfNotPresent", "Never"]


class Prices(Record):
    """What an hour costs. None: not known, and then nothing is said of the price."""

    gpu_hour: float | None = Field(None, ge=0)
    cpu_hour: float | None = Field(None, ge=0, description="of one CPU")
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$")


class Security(Record):
    """As whom the containers run: all that KFP can set. None: as the namespace or the image says."""

    run_as_non_root: bool = True
    run_as_user: int | None = Field(None, ge=0, description="null on OpenShift, which gives each namespace a range")
    run_as_group: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _no_root(self) -> Security:
        if self.run_as_non_root and self.run_as_user == 0:
            raise ValueError(
                "security.run_as_user is 0, which is root, but run_as_non_root is true; take another user, or null"
            )
        return self


class Resources(Record):
    """Of one stage's pods, in Kubernetes' units. `gpus` of the type `gpu`."""

    cpu: Cpu = "2"
    memory: Memory = "4Gi"
    gpus: int = Field(0, ge=0)
    gpu: str = Field(
        "nvidia.com/gpu",
        pattern=r"^[a-z0-9.-]+/[A-Za-z0-9._-]+$",
        description="the resource's name: amd.com/gpu, nvidia.com/mig-1g.10gb",
    )
    shm: Memory | None = Field(
        None,
        description="/dev/shm, part of the memory; null: half the memory for a stage with GPUs, else the container's 64 MiB",
    )
    scratch: Memory | None = Field(
        None, description="most that /tmp may hold, then the pod is evicted; null: what the node has"
    )
    node_selector: dict[LabelKey, Label] = Field({}, description="labels of the nodes, beside the profile's")
    tolerations: tuple[Toleration, ...] = Field((), description="taints that the pods bear, beside the profile's")
    queue: Label | None = Field(None, description="Kueue's LocalQueue that admits the pods; null: the profile's")
    labels: dict[LabelKey, Label] = Field({}, description="of the pods, beside the profile's")
    annotations: dict[LabelKey, str] = Field({}, description="of the pods, beside the profile's")
    prices: Prices | None = Field(None, description="where this stage's nodes cost other than the profile's")

    @model_validator(mode="after")
    def _shm_is_memory(self) -> Resources:
        if self.shm is not None and bytes_of(self.shm) > bytes_of(self.memory):
            raise ValueError(
                f"shm is {self.shm}, but it counts as memory, of which there is {self.memory}; give more memory, or less shm"
            )
        return self

    @property
    def shared_memory(self) -> str | None:
        """The size of /dev/shm; None where it stays the container's own."""
        if self.shm is not None or not self.gpus:
            return self.shm
        return f"{max(bytes_of(self.memory) // 2**21, 1)}Mi"
