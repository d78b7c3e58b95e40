"""What begin asks before it takes the lease: the checks that its pod can know, as the pipeline's first act."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ratchet.errors import PreflightFailed
from ratchet.preflight.catalogue import CHECKS
from ratchet.preflight.context import Asked, Context
from ratchet.preflight.finding import Answer
from ratchet.preflight.running import run_checks
from ratchet.profile import Profile
from ratchet.recipe import Recipe
from ratchet.settings import Settings


def before_round(
    settings: Settings, loop: str, seed: str, recipe: Recipe, profile: Profile, version: str | None = None
) -> list[Answer]:
    """Raise PreflightFailed, with a table in words, unless what the round needs is there. Warnings go to this process's log.

    `version` is that of the ratchet which compiled the pipeline.
    """
    asked = Asked(loop=loop, seed=seed, inside="KUBERNETES_SERVICE_HOST" in os.environ)
    context = Context(asked, settings, recipe, profile, beginning=True, version=version)
    answers = run_checks([one for one in CHECKS if one.begins], context)
    warned = [one for one in answers if one.result == "warn"]
    if warned:
        sys.stderr.write(f"preflight warns:\n{table(warned)}\n")
    failed = [one for one in answers if one.result == "fail"]
    if failed:
        raise PreflightFailed(
            f"the round of loop {loop} was not begun: {len(failed)} of {len(answers)} checks failed.\n{table(failed)}\n"
            "Mend this and start the round again; `ratchet preflight` looks at all that a round needs."
        )
    return answers


def table(answers: Sequence[Answer]) -> str:
    """One line a check: its name, what was seen, how to mend it."""
    width = max(len(one.check) for one in answers)
    return "\n".join(f"  {one.check:{width}}  {one.seen}  ->  {one.fix}" for one in answers)
