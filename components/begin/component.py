"""KFP face of the stage begin; the work is in ratchet.begin."""

from kfp import dsl
from kfp.dsl import Artifact, Output


@dsl.component(base_image="python:ratchet-core", install_kfp_package=False)
def begin(
    job: str,
    loop: str,
    recipe: str,
    version: str,
    profile: str,
    opened: Output[Artifact],
    seed: str = "champion",
    budget: float = 0.0,
    resume: bool = False,
    origin: str = "person",
) -> list[int]:
    """Resolve the seed, open or reopen the round, take the loop's lease, check what the round needs.

    Returns the numbers of generate's shards.
    """
    from ratchet.begin import BeginOptions
    from ratchet.kfp_io import open_round

    options = BeginOptions(
        loop, recipe, seed, profile, body_version=version, resume=resume, budget=budget, origin=origin
    )
    return open_round(job, options, opened)
