"""All checks, in the order in which they are told."""

from __future__ import annotations

from collections.abc import Sequence

from ratchet.errors import RecipeError
from ratchet.preflight import endpoints, learning, machine, registering, storing, trusting
from ratchet.preflight.checking import Check
from ratchet.preflight.cluster import having, room
from ratchet.preflight.images import pulling

CHECKS: tuple[Check, ...] = (
    *storing.CHECKS,
    *trusting.CHECKS,
    *registering.CHECKS,
    *learning.CHECKS,
    *endpoints.CHECKS,
    *having.CHECKS,
    *room.CHECKS,
    *pulling.CHECKS,
    *machine.CHECKS,
)


def chosen(only: Sequence[str] = (), skip: Sequence[str] = ()) -> list[Check]:
    """The checks of these names, all when none is given, without those to skip. Raises RecipeError for a name that is none."""
    known = [one.name for one in CHECKS]
    wrong = [name for name in (*only, *skip) if name not in known]
    if wrong:
        raise RecipeError(f"there is no check {', '.join(wrong)}; `ratchet preflight --list` has: {', '.join(known)}.")
    return [one for one in CHECKS if (not only or one.name in only) and one.name not in skip]
