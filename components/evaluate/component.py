"""KFP face of the stage evaluate; the work is in ratchet.evaluate."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Output


@dsl.component(base_image="python:ratchet-inference", install_kfp_package=False)
def evaluate(
    opened: Input[Artifact],
    trained: Input[Artifact],
    outcomes: Output[Dataset],
    metrics: Output[Metrics],
) -> None:
    """Champion and candidate answer the same held-out prompts."""
    from ratchet.kfp_io import run_stage

    run_stage("evaluate", opened, {"train": trained}, outcomes, metrics)
