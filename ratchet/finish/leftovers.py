"""What an ended round needs no more, removed by finish: parts of unfinished uploads, and checkpoints that nobody goes on from.

A FAILED round may be taken up again, so its checkpoints stay until the next round opens. Replies of judges stay too: they are
kept by content for all rounds. A control arm's go when it is judged; one that is not may be at work beside the rounds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from ratchet import rounds
from ratchet.artifacts.manifest import MANIFEST
from ratchet.errors import StoreError
from ratchet.rounds import RoundEnd
from ratchet.store import Store
from ratchet.store.unfinished import remove_unfinished
from ratchet.train.checkpoints import sweep_round

TAKEN_UP = ("FAILED",)


def sweep(store: Store, loop: str, number: int, end: RoundEnd) -> None:
    """Called while the run still holds the loop. What cannot be removed is told, and left to `ratchet gc`."""
    prefix = rounds.round_prefix(loop, number)
    try:
        remove_unfinished(store, f"{prefix}/")
        if end.state not in TAKEN_UP:
            sweep_round(store, prefix)
        for control in _judged_controls(store, loop, number):
            sweep_round(store, control)
    except StoreError as error:
        sys.stderr.write(f"finish: what round {number} needs no more was not removed: {error}\n")


def _judged_controls(store: Store, loop: str, number: int) -> Iterator[str]:
    below = f"{rounds.loop_prefix(loop)}/controls/"
    for stat in list(store.list(below)):
        arm, _, rest = store.key(stat.uri).removeprefix(below).partition("/")
        if rest.startswith(f"{number:04d}/promote-") and rest.endswith(f"/{MANIFEST}"):
            yield f"{below}{arm}/{number:04d}"
