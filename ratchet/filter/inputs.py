"""What the filter reads beside its parent, as far as the recipe asks for it: evaluation sets, and earlier rounds.

All of it is part of the stage's identity: with other inputs it is another artifact, with the same the same bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ratchet.artifacts import Manifest
from ratchet.promptset import PromptSet, complete_sets, open_set
from ratchet.recipe import ReplayConfig
from ratchet.rounds import Round, manifests, numbers, read_end
from ratchet.store import Store

_DRAWN = "tinyworld"


def digests(store: Store, opened: Round) -> dict[str, str]:
    """Content digests of the inputs, by what they are."""
    config = opened.recipe.filter
    sets = evaluation_sets(store, config.decontaminate_against) if config.decontaminate else []
    found = {f"fence:{one.digest[:32]}": one.digest for one in sets}
    earlier = replay_sources(store, opened, config.replay) if config.replay is not None else []
    return found | {f"replay:{number}": manifest.content_digest for number, manifest in earlier}


def evaluation_sets(store: Store, named: Sequence[str] | Literal["all"]) -> list[PromptSet]:
    """The imported prompt sets that the recipe names, by digest. Raises PromptSetError for one that is not there.

    `all` leaves out what procedural worlds draw for each round: that is fresh by design.
    """
    imported = (one for one in complete_sets(store) if one.source != _DRAWN)
    found = imported if isinstance(named, str) else (open_set(store, name) for name in named)
    return sorted(found, key=lambda one: one.digest)


def replay_sources(store: Store, opened: Round, config: ReplayConfig) -> list[tuple[int, Manifest]]:
    """Earlier rounds of the loop to learn from again, with their filter artifacts: the newest first."""
    found: list[tuple[int, Manifest]] = []
    for number in reversed(numbers(store, opened.loop)):
        if number >= opened.number or not _wanted(store, opened.loop, number, config):
            continue
        filtered = manifests(store, opened.loop, number).get("filter")
        if filtered is not None:
            found.append((number, filtered))
        if len(found) == config.rounds:
            break
    return found


def _wanted(store: Store, loop: str, number: int, config: ReplayConfig) -> bool:
    end = read_end(store, loop, number)
    if config.only == "promoted":
        return end is not None and end.state == "PROMOTED"
    return end is None or end.state != "STOPPED"
