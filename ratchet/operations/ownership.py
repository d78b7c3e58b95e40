"""One owner starts a loop's rounds: its schedule or its trigger. A run of the other is refused before it begins.

Who started a run is known from two sides: what ratchet starts (a person's `submit`, the trigger) leaves a record in the
store under the run's id; a run without one was started by Kubeflow Pipelines, and its API says whether by a schedule.
People may always start a round, also in the UI: the loop's lease keeps it apart from others.
"""

from __future__ import annotations

from ratchet.errors import RoundError
from ratchet.operations.policy import Owner, read_policy
from ratchet.operations.starts import Scheduled, origin_of
from ratchet.store import Store


def check_owner(store: Store, loop: str, run: str, scheduled: Scheduled) -> None:
    """Raise RoundError for a run that the loop's owner did not start. `scheduled` is asked only where it matters."""
    policy = read_policy(store, loop)
    if policy is None or policy.owner == "nobody":
        return
    asked = origin_of(store, loop, run)
    if policy.owner == "schedule" and asked is not None and asked.origin == "trigger":
        raise RoundError(refusal(loop, "schedule", "the trigger"))
    if policy.owner == "trigger" and asked is None and scheduled(run):
        raise RoundError(refusal(loop, "trigger", "a schedule"))


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
