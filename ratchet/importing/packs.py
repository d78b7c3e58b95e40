"""The second pass: pictures into packs, split by split, each picture once.

What goes into which pack is planned from the sizes that the first pass saw, so packs are the same each time, and a pack
that an earlier try finished is neither read nor written again. The plan lets the packs under way hold about
`pack_bytes` together: a split's packs are as large as its share of all pictures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any

from ratchet import canonical
from ratchet.artifacts import Pack, write_pack
from ratchet.errors import NotFound, PromptSetError
from ratchet.importing.formats import read_rows
from ratchet.importing.options import RowRefused
from ratchet.importing.pictures import fetch
from ratchet.importing.survey import Survey, in_threads
from ratchet.importing.tables import RawRow
from ratchet.store import Store

LEAST_PACK_BYTES = 1 << 20
Wanted = tuple[int, str, "Planned"]


@dataclass
class Planned:
    """A pack to be: how many pictures it will hold, those that are here by now, and the pack once it is written."""

    key: str
    images: int = 0
    size: int = 0
    here: dict[str, bytes] = field(default_factory=dict)
    done: Pack | None = None


def write_packs(store: Store, prefix: str, survey: Survey, pack_bytes: int) -> dict[str, list[Pack]]:
    """Write all packs and return them by split. Raises PromptSetError when a picture changed since the first pass."""
    plan = plan_packs(survey, prefix, pack_bytes)
    every = [planned for packs in plan.values() for planned in packs]
    for planned in every:
        planned.done = _finished(store, planned.key)
    if any(planned.done is None for planned in every):
        for planned, sha, data in _pictures(survey, plan):
            planned.here[sha] = data
            if len(planned.here) == planned.images:
                planned.done = _write(store, planned)
    gone = sum(planned.images - len(planned.here) for planned in every if planned.done is None)
    if gone:
        raise PromptSetError(f"{gone} pictures are gone since the source was first read; import it again.")
    return {split: [planned.done for planned in packs if planned.done] for split, packs in plan.items()}


def plan_packs(survey: Survey, prefix: str, pack_bytes: int) -> dict[str, list[Planned]]:
    """Packs by split, pictures in the order of the rows that show them first."""
    total: Counter[str] = Counter()
    for split, size in _sizes(survey):
        total[split] += size
    everything = total.total()
    plan: dict[str, list[Planned]] = {split: [] for split in total}
    for split, size in _sizes(survey):
        packs = plan[split]
        limit = max(pack_bytes * total[split] // everything, min(pack_bytes, LEAST_PACK_BYTES))
        if not packs or packs[-1].size + size > limit:
            packs.append(Planned(f"{prefix}/images/{split}-{len(packs):05d}.parquet"))
        packs[-1].images += 1
        packs[-1].size += size
    return plan


def _sizes(survey: Survey) -> Iterator[tuple[str, int]]:
    """Split and size of every picture, once."""
    for row in survey.rows():
        split = survey.split_of(row)
        yield from ((split, size) for size in row["sizes"] if size is not None)


def _pictures(survey: Survey, plan: dict[str, list[Planned]]) -> Iterator[tuple[Planned, str, bytes]]:
    """Pictures that their packs still lack, read again from the source in the order of its rows."""

    def again(task: tuple[RawRow, list[Wanted]]) -> list[tuple[Planned, str, bytes]]:
        row, wanted = task
        values = survey.reader.picture_values(row)
        return [(planned, sha, _unchanged(survey, row, values, place, sha)) for place, sha, planned in wanted]

    for pictures in in_threads(again, _wanted(survey, plan)):
        yield from pictures


def _wanted(survey: Survey, plan: dict[str, list[Planned]]) -> Iterator[tuple[RawRow, list[Wanted]]]:
    """Source rows with those of their pictures that a pack lacks: place in the row, hash and pack."""
    slots = {split: chain.from_iterable(repeat(p, p.images) for p in packs) for split, packs in plan.items()}
    for row, accepted in _accepted_rows(survey):
        shown = zip(accepted["prompt"]["images"], accepted["sizes"], strict=True)
        split = survey.split_of(accepted)
        first = [(n, image["sha256"], next(slots[split])) for n, (image, size) in enumerate(shown) if size is not None]
        wanted = [one for one in first if one[2].done is None]
        if wanted:
            yield row, wanted


def _accepted_rows(survey: Survey) -> Iterator[tuple[RawRow, dict[str, Any]]]:
    """Source rows side by side with what the first pass made of them, those without a prompt left out."""
    accepted = survey.rows()
    expected = next(accepted, None)
    for row in read_rows(survey.source):
        if expected is None:
            return
        if (row.table.name, row.number) == (expected["file"], expected["row"]):
            yield row, expected
            expected = next(accepted, None)


def _unchanged(survey: Survey, row: RawRow, values: list[Any], place: int, sha: str) -> bytes:
    where = f"row {row.number} of {row.table.name}"
    try:
        data = fetch(survey.source, row.table, values[place])
    except (RowRefused, IndexError) as error:
        raise PromptSetError(
            f"the picture of {where} is gone since the source was first read ({error}); import it again."
        ) from error
    if canonical.sha256(data) != sha:
        raise PromptSetError(
            f"the picture of {where} changed while it was imported; leave the source alone and import it again."
        )
    return data


def _write(store: Store, planned: Planned) -> Pack:
    pack = write_pack(store, planned.key, planned.here.items())
    planned.here.clear()
    store.put(f"{planned.key}.json", canonical.dumps(pack.model_dump()))
    return pack


def _finished(store: Store, key: str) -> Pack | None:
    """A pack whose note says that it was written, if its file still has the size."""
    try:
        pack = Pack.model_validate_json(store.get(f"{key}.json"))
    except NotFound:
        return None
    stat = store.stat(key)
    return pack if stat is not None and stat.size == pack.size else None
