"""Rows of the exclusion set for people to look at: of every reason one, then another, with their pictures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from ratchet.artifacts import ImageBank, Manifest, ref_of
from ratchet.errors import ArtifactError, NotFound
from ratchet.filter.excluded import Excluded, read_excluded
from ratchet.report.organising import DroppedView
from ratchet.report.specimens import LOOKED_AT, PICTURES, PIXELS, address
from ratchet.store import Store

MOST = 12


def dropped(store: Store, filtered: Manifest) -> tuple[DroppedView, ...]:
    """A few rows that a filter stage left out. Nothing where the rows are gone."""
    bank = ImageBank(store, filtered.packs)
    try:
        rows = list(islice(read_excluded(store, filtered), LOOKED_AT))
        return tuple(_shown(row, bank) for row in _spread(rows))
    except (ArtifactError, NotFound):
        return ()


def _spread(rows: Sequence[Excluded]) -> list[Excluded]:
    """At most MOST rows, by reason: those of rare reasons are all there before a common one has its third."""
    by_reason: dict[str, list[Excluded]] = {}
    for row in rows:
        by_reason.setdefault(row.reason, []).append(row)
    turns = [(turn, reason, row) for reason, some in by_reason.items() for turn, row in enumerate(some)]
    chosen = sorted(turns, key=lambda one: (one[0], one[1]))[:MOST]
    return [row for _, _, row in sorted(chosen, key=lambda one: (one[1], one[0]))]


def _shown(row: Excluded, bank: ImageBank) -> DroppedView:
    refs = [ref_of(bank.bytes(sha256)) for sha256 in row.images[:PICTURES] if sha256 in bank]
    return DroppedView(
        reason=row.reason,
        skill=row.skill,
        question=row.question,
        difficulty=row.difficulty,
        pass_rate=row.pass_rate,
        pictures=tuple(address(ref, bank) for ref in refs),
        pixels=all(max(ref.width, ref.height) <= PIXELS for ref in refs),
    )
