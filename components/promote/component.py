"""KFP face of the stage promote; the work is in ratchet.registry."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Output


@dsl.component(base_image="python:ratchet-core", install_kfp_package=False)
def promote(
    opened: Input[Artifact],
    evaluated: Input[Dataset],
    trained: Input[Artifact],
    decision: Output[Artifact],
    metrics: Output[Metrics],
) -> None:
    """Register the candidate; move the alias champion only if it is provably better."""
    from ratchet.kfp_io import run_stage

    run_stage("promote", opened, {"evaluate": evaluated, "train": trained}, decision, metrics)
