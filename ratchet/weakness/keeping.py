"""Where reports on weaknesses lie: `<round>/weakness/<model>-<key>.json`, written once.

The key is of what was asked, so a probe of a part of the split is another report than one of all of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from ratchet import canonical, rounds
from ratchet.artifacts.manifest import ModelRef
from ratchet.errors import ArtifactError, Conflict
from ratchet.rounds import Round
from ratchet.store import Store
from ratchet.weakness.report import Weakness


def keep(store: Store, prefix: str, found: Weakness, most: int | None) -> Weakness:
    """Store a report below `prefix`; of two writers the first one's stands, and is returned. `most`: prompts of the split
    that were wanted, None for all."""
    key = place(prefix, found.model, found.prompts, found.bands, most)
    try:
        store.put_if(key, canonical.pretty(found.model_dump(mode="json")), absent=True)
    except Conflict:
        return read(store, key)
    return found


def place(prefix: str, model: ModelRef, prompts: str, bands: int, most: int | None) -> str:
    asked = canonical.digest([model.digest, prompts, bands, most])
    return f"{prefix}/weakness/{model.digest[:12]}-{asked[:8]}.json"


def read(store: Store, key: str) -> Weakness:
    """One report. Raises NotFound, and ArtifactError for what another version of ratchet wrote."""
    try:
        return Weakness.model_validate_json(store.get(key))
    except ValidationError as error:
        raise ArtifactError(
            f"{store.uri(key)} is no report on weaknesses that this ratchet reads ({error.errors()[0]['msg']}); delete it, and "
            "`ratchet weakness` measures again."
        ) from error


def of_round(store: Store, loop: str, number: int, digest: str = "") -> Iterator[Weakness]:
    """The reports in a round's artifacts: all, or of the model with this digest; those that asked most first."""
    prefix = f"{rounds.round_prefix(loop, number)}/weakness/{digest[:12]}"
    found = [read(store, store.key(stat.uri)) for stat in store.list(prefix)]
    yield from sorted(found, key=lambda one: (-one.asked, one.model.digest))


def last_of(store: Store, opened: Round, bands: int) -> Weakness | None:
    """The newest report on the round's seed that an earlier round of the loop left, with as many difficulty bands.

    Earlier rounds have ended, so this is the same however often a round is resumed.
    """
    for number in reversed([n for n in rounds.numbers(store, opened.loop) if n < opened.number]):
        for one in of_round(store, opened.loop, number, opened.seed.digest):
            if one.bands == bands and one.model.digest == opened.seed.digest:
                return one
    return None
