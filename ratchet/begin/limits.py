"""What a round may take, said before it takes anything: the budget of the run or of the loop's policy, and what it is likely to
need."""

from __future__ import annotations

import sys

from ratchet.errors import RoundError
from ratchet.operations.estimate import estimate
from ratchet.operations.policy import read_policy
from ratchet.profile import Profile
from ratchet.recipe import Recipe
from ratchet.rounds import Round
from ratchet.store import Store


def budget_of(store: Store, loop: str, asked: float) -> float:
    """Hours of a device that a round may take; 0: as many as it needs. Raises RoundError for less than none."""
    if asked < 0:
        raise RoundError(
            f"budget is {asked:g}, but hours cannot be negative; give hours of a device, or 0 for the policy's."
        )
    policy = read_policy(store, loop)
    return asked or (policy.budget if policy is not None else 0.0)


def check_affordable(store: Store, loop: str, recipe: Recipe, profile: Profile, budget: float) -> None:
    """Raise RoundError where even the cheapest of the loop's past rounds like this one took more than the budget."""
    if not budget:
        return
    found = estimate(store, loop, recipe, profile)
    if found.hours is not None and found.hours.low > budget:
        raise RoundError(
            f"a round of loop {loop} with recipe {recipe.name} takes {found.hours.low:.3g} to {found.hours.high:.3g} hours of a "
            f"{found.device} (from {found.rounds} past rounds), its budget is {budget:g}: it would be stopped before its end. Give "
            f"it more, or ask less of it; `ratchet estimate --loop {loop}` shows where the hours go."
        )


def say_kept(opened: Round, asked: float) -> None:
    """A round that is taken up again keeps its budget: what was counted and written counts on."""
    if asked and asked != opened.budget:
        sys.stderr.write(
            f"begin: round {opened.number} goes on with its budget of {opened.budget:g} hours; {asked:g} was asked for now\n"
        )
