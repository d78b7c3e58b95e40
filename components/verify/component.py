"""KFP face of the stage verify; the work is in ratchet.verify."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Output


@dsl.component(base_image="python:ratchet-core", install_kfp_package=False)
def verify(
    opened: Input[Artifact],
    generated: Input[Dataset],
    groups: Output[Dataset],
    metrics: Output[Metrics],
) -> None:
    """Verifiers check every completion; nothing is dropped here."""
    from ratchet.kfp_io import run_stage

    run_stage("verify", opened, {"generate": generated}, groups, metrics)
