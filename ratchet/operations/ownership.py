"""One owner starts a loop's rounds: its schedule or its trigger. A run of the other is refused before it begins.

Who started a run is the pipeline's parameter `origin`: a schedule carries `schedule`, the trigger gives `trigger`, and whoever submits
or presses the button leaves it at `person`. So a round's pod needs neither the API of Kubeflow Pipelines nor a token to know it.
People may always start a round: the loop's lease keeps it apart from others.
"""

from __future__ import annotations

from typing import get_args

from ratchet.errors import RoundError
from ratchet.operations.policy import Owner, read_policy
from ratchet.operations.starting import Origin
from ratchet.store import Store


def check_owner(store: Store, loop: str, origin: str) -> None:
    """Raise RoundError for a run that the loop's owner did not start."""
    if origin not in get_args(Origin):
        raise RoundError(
            f"origin {origin!r} is not one of {', '.join(get_args(Origin))}: leave the pipeline's parameter `origin` as it is."
        )
    if origin == "person":
        return
    policy = read_policy(store, loop)
    if policy is None or policy.owner in ("nobody", origin):
        return
    raise RoundError(refusal(loop, policy.owner, "the trigger" if origin == "trigger" else "a schedule"))


def refusal(loop: str, owner: Owner, by: str) -> str:
    return f"loop {loop} belongs to its {owner}, and this run was started by {by}: {_way_on(loop, owner)}."


def kept(loop: str, owner: Owner) -> str:
    """What a person is told who would give the loop to somebody else."""
    return f"loop {loop} belongs to its {owner}: {_way_on(loop, owner)}; --take-over does it all the same."


def _way_on(loop: str, owner: Owner) -> str:
    if owner == "schedule":
        return (
            f"delete the schedule with `ratchet schedule delete --loop {loop}`, then `ratchet loop policy --loop {loop} --owner "
            "trigger` gives the loop to the trigger"
        )
    return (
        f"delete the schedule with `ratchet schedule delete --loop {loop}`, or give it the loop: `ratchet schedule ensure --loop "
        f"{loop} --take-over`"
    )
