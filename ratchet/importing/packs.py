"""The second pass: pictures into packs, split by split, each picture once.

What goes into which pack is planned from the sizes that the first pass saw, so packs are the same each time, and a pack
that an earlier try finished is neither read nor written again. The plan lets the packs under way hold about
`pack_bytes` together: a split's packs are as large as its share of all pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ratchet import canonical
from ratchet.artifacts import Pack, write_pack
from ratchet.errors import NotFound, PromptSetError
from ratchet.importing.formats import RawRow, read_rows
from ratchet.importing.options import RowRefused
from ratchet.importing.pictures import fetch
from ratchet.importing.survey import Survey, in_threads
from ratchet.store import Store

LEAST_PACK_BYTES = 1 << 20


@dataclass
class Planned:
    """A pack to be: which pictures, in order, and those that are here by now."""

    key: str
    shas: list[str] = field(default_factory=list)
    size: int = 0
    here: dict[str, bytes] = field(default_factory=dict)


def write_packs(store: Store, prefix: str, survey: Survey, pack_bytes: int) -> dict[str, list[Pack]]:
    """Write all packs and return them by split. Raises PromptSetError when a picture changed since the first pass."""
    plan = plan_packs(survey, prefix, pack_bytes)
    done = {
        planned.key: pack for packs in plan.values() for planned in packs if (pack := _finished(store, planned.key))
    }
    wanted = {
        sha: planned for packs in plan.values() for planned in packs if planned.key not in done for sha in planned.shas
    }
    if wanted:
        for sha, data in _pictures(survey, wanted):
            planned = wanted.pop(sha, None)
            if planned is None:
                continue
            planned.here[sha] = data
            if len(planned.here) == len(planned.shas):
                done[planned.key] = _write(store, planned)
    if wanted:
        raise PromptSetError(
            f"{len(wanted)} pictures are gone since the source was first read (first: {next(iter(wanted))[:12]}); import it again."
        )
    return {split: [done[planned.key] for planned in packs] for split, packs in plan.items()}


def plan_packs(survey: Survey, prefix: str, pack_bytes: int) -> dict[str, list[Planned]]:
    """Packs by split, pictures in the order of the rows."""
    splits = {sha: survey.splitter.settle(survey.clusters.name(sha)) for sha in survey.pictures}
    total: dict[str, int] = {}
    for sha, split in splits.items():
        total[split] = total.get(split, 0) + survey.pictures[sha][0]
    everything = sum(total.values())
    plan: dict[str, list[Planned]] = {split: [] for split in total}
    for sha, split in splits.items():
        size, packs = survey.pictures[sha][0], plan[split]
        limit = max(pack_bytes * total[split] // everything, min(pack_bytes, LEAST_PACK_BYTES))
        if not packs or packs[-1].size + size > limit:
            packs.append(Planned(f"{prefix}/images/{split}-{len(packs):05d}.parquet"))
        packs[-1].shas.append(sha)
        packs[-1].size += size
    return plan


def _pictures(survey: Survey, wanted: dict[str, Planned]) -> Iterator[tuple[str, bytes]]:
    """Pictures that are still wanted, read again from the source in the order of its rows."""

    def again(task: tuple[RawRow, dict[str, Any]]) -> list[tuple[str, bytes]]:
        row, accepted = task
        shas = [image["sha256"] for image in accepted["prompt"]["images"]]
        found = []
        for sha, value in zip(shas, survey.reader.picture_values(row), strict=True):
            if sha in wanted:
                found.append((sha, _unchanged(survey, row, value, sha)))
        return found

    for pictures in in_threads(again, _accepted_rows(survey)):
        yield from pictures


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


def _unchanged(survey: Survey, row: RawRow, value: Any, sha: str) -> bytes:
    where = f"row {row.number} of {row.table.name}"
    try:
        data = fetch(survey.source, row.table, value)
    except RowRefused as error:
        raise PromptSetError(
            f"the picture of {where} is gone since the source was first read ({error}); import it again."
        ) from error
    if canonical.sha256(data) != sha:
        raise PromptSetError(
            f"the picture of {where} changed while it was imported; leave the source alone and import it again."
        )
    return data


def _write(store: Store, planned: Planned) -> Pack:
    pack = write_pack(store, planned.key, ((sha, planned.here[sha]) for sha in planned.shas))
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
