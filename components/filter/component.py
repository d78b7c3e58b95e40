"""KFP face of the stage filter; the work is in ratchet.filter."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Output


@dsl.component(base_image="python:ratchet-core", install_kfp_package=False)
def filter(
    opened: Input[Artifact],
    verified: Input[Dataset],
    groups: Output[Dataset],
    metrics: Output[Metrics],
) -> None:
    """Keep what the model should learn from; count every drop by reason."""
    from ratchet.kfp_io import run_stage

    run_stage("filter", opened, {"verify": verified}, groups, metrics)
