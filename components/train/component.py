"""KFP face of the stage train; the work is in ratchet.train."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Output


@dsl.component(base_image="python:ratchet-training", install_kfp_package=False)
def train(
    opened: Input[Artifact],
    filtered: Input[Dataset],
    model: Output[Artifact],
    metrics: Output[Metrics],
    launcher: str = "",
) -> None:
    """Train the seed model on what is left, with TRL, where the profile's launcher says; the output names the candidate."""
    from ratchet.kfp_io import run_stage

    run_stage("train", opened, {"filter": filtered}, model, metrics, launcher)
