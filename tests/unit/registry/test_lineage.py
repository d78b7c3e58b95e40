"""What a registered version tells of the stages before its training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ratchet.artifacts import GROUPS, Manifest
from ratchet.registry.stage import run
from ratchet.registry.store_registry import StoreRegistry
from ratchet.stage import StageContext
from ratchet.store import open_store
from tests.unit.filter.cases import group
from tests.unit.filter.test_stage import filtered
from tests.unit.registry.rows import crown, outcomes, stage, write

LOOP = "mine"


def coming_from(context: StageContext, made: Manifest) -> StageContext:
    train = context.parents["train"].model_copy(update={"parents": {"filter": made.as_parent()}})
    context.parents = {**context.parents, "train": train}
    return context


def metrics(folder: Path, make: Any) -> dict[str, float]:
    store = open_store(str(folder))
    registry = StoreRegistry(store)
    context = stage(store, crown(registry, store, LOOP), outcomes(wins=60, losses=20))
    run(coming_from(context, make(store)))
    return dict(registry.metrics(LOOP, "2"))


def test_a_version_carries_the_drops_by_reason_and_by_difficulty_band(tmp_path: Path) -> None:
    groups = [group("+-", 1, difficulty=0.1), group("--", 2, difficulty=0.1), group("--", 3, difficulty=0.9)]
    found = metrics(tmp_path, lambda store: filtered(store, groups))
    assert (found["filter/rows"], found["filter/kept"], found["filter/reasons/too_hard"]) == (3, 1, 2)
    assert (found["filter/bands/0.0-0.2/kept"], found["filter/bands/0.0-0.2/too_hard"]) == (1, 1)
    assert found["filter/bands/0.8-1.0/too_hard"] == 1
    assert found["evaluate/accuracy/count"] == 0.5


def test_it_carries_what_verify_counted_too(tmp_path: Path) -> None:
    def make(store: Any) -> Manifest:
        verified = write(store, "v", "verify", GROUPS, [], {"agreement": 0.75})
        made = write(store, "f", "filter", GROUPS, [], {"reasons": {"too_easy": 4}})
        return made.model_copy(update={"parents": {"verify": verified.as_parent()}})

    found = metrics(tmp_path, lambda store: _stored(store, make(store)))
    assert (found["verify/agreement"], found["filter/reasons/too_easy"]) == (0.75, 4)


def _stored(store: Any, manifest: Manifest) -> Manifest:
    from ratchet import canonical

    store.put(f"{store.key(manifest.uri)}/manifest.json", canonical.pretty(manifest.model_dump(mode="json")))
    return manifest
