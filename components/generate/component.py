"""KFP faces of the stage generate: the whole of it, or one of its shards and what makes one artifact of them."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Output


@dsl.component(base_image="python:ratchet-inference", install_kfp_package=False)
def generate(opened: Input[Artifact], groups: Output[Dataset], metrics: Output[Metrics]) -> None:
    """The seed model makes data of the pool's prompts."""
    from ratchet.kfp_io import run_stage

    run_stage("generate", opened, {}, groups, metrics)


@dsl.component(base_image="python:ratchet-inference", install_kfp_package=False)
def generate_shard(opened: Input[Artifact], shard: int, groups: Output[Dataset], metrics: Output[Metrics]) -> None:
    """The seed model makes data of one shard of the pool's prompts."""
    from ratchet.kfp_io import run_shard

    run_shard(opened, shard, groups, metrics)


@dsl.component(base_image="python:ratchet-core", install_kfp_package=False)
def merge(
    opened: Input[Artifact], shards: Input[list[Dataset]], groups: Output[Dataset], metrics: Output[Metrics]
) -> None:
    """All shards, checked and listed as one artifact; nothing is copied."""
    from ratchet.kfp_io import run_merge

    run_merge(opened, shards, groups, metrics)
