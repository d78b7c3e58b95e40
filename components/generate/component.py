"""KFP face of the stage generate; the work is in ratchet.generate."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Output


@dsl.component(base_image="python:ratchet-inference", install_kfp_package=False)
def generate(
    opened: Input[Artifact],
    groups: Output[Dataset],
    metrics: Output[Metrics],
) -> None:
    """The seed model answers the pool's prompts, k times each."""
    from ratchet.kfp_io import run_stage

    run_stage("generate", opened, {}, groups, metrics)
