"""`ratchet train`: the stage, where the profile's launcher says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ratchet.cli.output import (
    EmbeddedOption,
    JobOption,
    JsonOption,
    LoopOption,
    ProfileOption,
    console,
    errors,
    print_json,
    print_manifest,
    workplace,
)

if TYPE_CHECKING:
    from ratchet.train.dryrun import Rehearsal

EPILOG = "Example: ratchet train --loop mine --profile two-processes.yaml"


def train(
    loop: LoopOption = "default",
    job: JobOption = None,
    profile: ProfileOption = None,
    embedded: EmbeddedOption = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say rows, steps, tokens, memory and time; two steps on the longest rows, nothing stays."
        ),
    ] = False,
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
        if dry_run:
            from ratchet.train.dryrun import rehearse

            _print_rehearsal(rehearse(placed, loop, job), as_json)
            return
        with watching(errors):
            manifest = run_stage(placed, loop, "train", job)
    print_manifest("train", manifest, as_json)


def _print_rehearsal(found: Rehearsal, as_json: bool) -> None:
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    mib = 1 << 20
    lines = [
        f"{found.method}: {found.rows} rows, {found.steps} steps, {found.tokens} tokens",
        f"longest: row {found.longest_row}, {found.longest_tokens} tokens, {found.picture_tokens} of them for pictures",
        f"in use before: {found.held / mib:.0f} MiB",
        *(f"{name}: {size / mib:.0f} MiB" for name, size in found.parts.items() if size),
        f"estimated: {found.estimated / mib:.0f} MiB of {found.room / mib:.0f} MiB ({found.device})",
        f"measured: {'not measurable here' if found.measured is None else f'{found.measured / mib:.0f} MiB'}",
        f"time: {found.step_seconds:.2f} s for the longest step, about {found.seconds:.0f} s in all",
    ]
    console.print("\n".join(lines), highlight=False, markup=False)
