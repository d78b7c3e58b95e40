"""Where training runs, as the profile says it: in the stage's process, in several of its machine, or on a cluster.

It is no part of a stage's key: the same rows and seed give the same model, within rounding, wherever they are trained.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ratchet.launching.trainjob import TrainJobConfig
from ratchet.records import Record

Strategy = Literal["ddp", "fsdp"]


class LauncherConfig(Record):
    """The profile's `launcher`. Several processes share each batch: train.batch_size stays the rows of a step."""

    kind: Literal["inprocess", "torchrun", "trainjob"] = Field(
        "inprocess", description="in the stage's process; in several of its machine; as a TrainJob of Kubeflow Trainer"
    )
    nodes: int = Field(1, ge=1, description="trainjob: machines")
    processes: int = Field(1, ge=1, description="processes on each machine; on GPUs one each")
    strategy: Strategy = Field("ddp", description="ddp: each has the whole model; fsdp: each has a part of it")
    restarts: int = Field(
        0, ge=0, description="torchrun: how often all processes of a machine start again after one failed"
    )
    trainjob: TrainJobConfig | None = Field(None, description="what a TrainJob asks of its cluster")

    @model_validator(mode="after")
    def _of_the_kind(self) -> LauncherConfig:
        if self.kind == "inprocess" and (self.world > 1 or self.strategy != "ddp" or self.restarts):
            raise ValueError(
                f"launcher inprocess is one process, but asks for {self.nodes} x {self.processes} of strategy {self.strategy} with "
                f"{self.restarts} restarts; remove them, or set launcher.kind: torchrun"
            )
        if self.kind == "torchrun" and self.nodes > 1:
            raise ValueError(
                f"launcher torchrun starts processes of one machine, but nodes is {self.nodes}; use trainjob"
            )
        if self.kind == "trainjob" and self.restarts:
            raise ValueError(
                f"launcher.restarts is {self.restarts}, but a TrainJob's processes are not started again one by one; set it to 0: the "
                "pipeline retries the stage, which goes on from the last checkpoint"
            )
        if (self.kind == "trainjob") != (self.trainjob is not None):
            raise ValueError(
                f"launcher.kind is {self.kind} and launcher.trainjob is {'set' if self.trainjob else 'not set'}; "
                "kind trainjob needs that part, and no other kind reads it"
            )
        if self.trainjob is not None and self.trainjob.gpus not in (0, self.processes):
            raise ValueError(
                f"launcher.trainjob.gpus is {self.trainjob.gpus}, but each node starts {self.processes} processes, one for each GPU; "
                f"set launcher.processes: {self.trainjob.gpus}, or launcher.trainjob.gpus: {self.processes}"
            )
        return self

    @property
    def world(self) -> int:
        """How many processes train together."""
        return self.nodes * self.processes

    def check_batch(self, method: str, batch_size: int) -> None:
        """Raise ValueError unless every process gets as many rows of a batch."""
        if batch_size % self.world:
            raise ValueError(
                f"train.batch_size {batch_size} is the rows of a whole step of {method}, and cannot be shared evenly by the "
                f"{self.world} processes of launcher {self.kind} ({self.nodes} x {self.processes}); make it a multiple of {self.world}"
            )
