"""`ratchet train`: the stage, where the profile's launcher says."""

from __future__ import annotations

from ratchet.cli.output import (
    EmbeddedOption,
    JobOption,
    JsonOption,
    LoopOption,
    ProfileOption,
    errors,
    print_manifest,
    workplace,
)

EPILOG = "Example: ratchet train --loop mine --profile two-processes.yaml"


def train(
    loop: LoopOption = "default",
    job: JobOption = None,
    profile: ProfileOption = None,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train the seed model on what is left.

    The profile's `launcher` says where: in this process (inprocess), in several of this machine (torchrun), or on a cluster
    (trainjob). train.batch_size is the rows of a step, however many processes share them.
    """
    from ratchet.live import watching
    from ratchet.loop import run_stage

    with workplace(embedded) as settings:
        placed = settings.model_copy(update={"profile": profile or settings.profile})
        with watching(errors):
            manifest = run_stage(placed, loop, "train", job)
    print_manifest("train", manifest, as_json)
