"""Who the champion is, and how it became that: by the log of moves, and by the registry where that is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ratchet.registry.base import Registry
from ratchet.registry.promotion import Move
from ratchet.report.final import CHAMPION
from ratchet.report.measured import changes, delta_view, skill_deltas
from ratchet.report.view import ChampionView, RoundView
from ratchet.rounds import Round


def champion_version(
    loop: str, moves: Sequence[Move], first: Round | None, registry: Registry | None = None
) -> str | None:
    """The version that the alias points to: what the registry says, or, unasked, where the log's last move left it."""
    if registry is not None:
        now = registry.champion(loop)
        return now.version if now is not None else None
    last = _last(moves)
    if last is not None and last.done is not None:
        return last.done.champion
    return first.seed.version if first is not None else None


def champion_view(
    version: str | None, seen: Sequence[RoundView], moves: Sequence[Move], results: Mapping[str, Any]
) -> ChampionView | None:
    """The champion beside the seed; `results` are those of a read of this version on the report split, or empty."""
    if version is None:
        return None
    found = results.get("to_seed", {}).get(CHAMPION, {})
    last = _last(moves)
    told = last.intent if last is not None and last.done is not None and last.done.champion == version else None
    return ChampionView(
        version=version,
        round=next((one.number for one in seen if one.candidate_version == version), None),
        move=told.kind if told is not None else "outside" if last is not None else "seed",
        by=told.by if told is not None else "",
        why=told.reason if told is not None and told.kind == "rollback" else "",
        delta_to_seed=delta_view(found.get("delta")),
        skill_deltas=skill_deltas(found),
        changes=changes(found),
    )


def _last(moves: Sequence[Move]) -> Move | None:
    return next((move for move in reversed(moves) if move.moved), None)
