"""What a TrainJob asks of its cluster."""

from __future__ import annotations

from pydantic import Field

from ratchet.records import Record


class TrainJobConfig(Record):
    """The profile's `launcher.trainjob`."""

    runtime: str = Field("torch-distributed", description="ClusterTrainingRuntime that the job is made from")
    namespace: str | None = Field(None, description="null: the stage's own")
    gpus: int = Field(0, ge=0, description="GPUs of a node")
