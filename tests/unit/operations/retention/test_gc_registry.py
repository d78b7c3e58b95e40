"""Retention asks the loops' own registry: with another one, or an empty one, nothing goes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ratchet import models, rounds
from ratchet.errors import RegistryError
from ratchet.finish import finish
from ratchet.operations.retention import collect
from ratchet.registry import Registry, open_registry
from ratchet.registry.base import ROUND, Lineage
from ratchet.settings import Settings
from ratchet.store import Store, open_store
from tests.unit.loops import LOOP, leave_all, model, new_loop, opened, promoted, stored_model

AGE = timedelta(days=30)
LATER = datetime.now(UTC) + timedelta(days=40)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return new_loop(tmp_path)


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings.root)


@pytest.fixture
def other(tmp_path: Path) -> Registry:
    """A registry of somebody else, which is empty."""
    settings = Settings(root=str(tmp_path / "other"), registry="store")
    return open_registry(settings, open_store(settings.root))


def keys(store: Store) -> set[str]:
    return {store.key(stat.uri) for stat in store.list()}


def refused(store: Store, registry: Registry, words: str) -> None:
    before = keys(store)
    for apply in (False, True):
        with pytest.raises(RegistryError, match=rf"{words}: loop mine has rounds or promotions.*Nothing was deleted"):
            collect(store, registry, AGE, now=LATER, apply=apply)
    assert keys(store) == before


def with_champion(registry: Registry, *names: str) -> None:
    for number, name in enumerate(names):
        ref = model(LOOP, name)
        made = registry.register(LOOP, ref.uri, ref.digest, Lineage(tags={ROUND: str(number)}))
    registry.set_champion(LOOP, made.version, expected=None)


def test_with_a_registry_that_has_no_version_of_a_loop_nothing_goes(store: Store, other: Registry) -> None:
    refused(store, other, "has no version of it")


def test_with_a_registry_that_has_no_champion_of_a_loop_nothing_goes(store: Store, other: Registry) -> None:
    ref = model(LOOP, "seed", store)
    other.register(LOOP, ref.uri, ref.digest)
    refused(store, other, "has no champion of it")


def test_with_a_registry_that_lacks_what_was_promoted_last_nothing_goes(
    settings: Settings, store: Store, other: Registry
) -> None:
    promoted(settings, opened(settings))
    with_champion(other, "seed")
    refused(store, other, "lacks version 2, which the loop's promotions moved the alias to last")


def test_with_a_registry_that_has_other_bytes_under_a_seeds_number_nothing_goes(
    settings: Settings, store: Store, other: Registry
) -> None:
    opened(settings)
    with_champion(other, "of-another-team")
    refused(store, other, "has other bytes as version 1 than a round began from")


def test_an_older_version_that_somebody_deleted_goes(settings: Settings, store: Store) -> None:
    registry = open_registry(settings, store)
    ticket = opened(settings)
    promoted(settings, ticket)
    leave_all(store, ticket, "REFUSED")
    finish("job-1", LOOP, settings)
    seed = registry.version(LOOP, "1")
    store.delete("registry/mine/versions/0001.json")
    done = collect(store, registry, AGE, now=LATER, apply=True)
    assert done.kinds["models"].objects == 2
    assert not models_at(store, seed.uri)
    assert models_at(store, registry.version(LOOP, "2").uri)


def models_at(store: Store, uri: str) -> set[str]:
    return {key for key in keys(store) if key.startswith(store.key(uri))}


def test_any_document_of_a_loop_keeps_the_models_that_it_names(settings: Settings, store: Store) -> None:
    refs = [stored_model(store, "beside", name) for name in ("a", "b", "c")]
    store.put(f"loops/{LOOP}/of-tomorrow/0001.json", f'{{"model": {{"uri": "{refs[0].uri}"}}}}'.encode())
    store.put("local/x/started.json", f'["{refs[1].uri}"]'.encode())
    done = collect(store, open_registry(settings, store), AGE, now=LATER, apply=True)
    assert done.kinds["models"].objects == 2
    assert [bool(models_at(store, ref.uri)) for ref in refs] == [True, True, False]


@pytest.mark.parametrize("end", ["none", "promote", "results"])
def test_a_control_arms_model_stays_until_the_arm_was_judged_long_enough_ago(
    end: str, settings: Settings, store: Store, tmp_path: Path
) -> None:
    registry = open_registry(settings, store)
    ref = stored_model(store, LOOP, "arm")
    place = f"loops/{LOOP}/controls/gold/0001"
    opened(settings)
    store.put(f"{place}/round.json", store.get(f"{rounds.round_prefix(LOOP, 1)}/round.json"))
    store.put(f"{place}/generate-{'0' * 12}/0000.parquet", b"rows")
    store.put(f"{place}/train-{'0' * 12}/manifest.json", f'{{"results": {{"model": {{"uri": "{ref.uri}"}}}}}}'.encode())
    store.put(f"{place}/train-{'0' * 12}/checkpoints/4/x.safetensors", b"x")
    if end == "promote":
        store.put(f"{place}/promote-{'0' * 12}/manifest.json", b"{}")
    elif end == "results":
        store.put(f"loops/{LOOP}/controls/results.json", b"{}")
    assert collect(store, registry, timedelta(days=60), now=LATER, apply=True).objects == 0
    gone = collect(store, registry, AGE, now=LATER, apply=True)
    assert gone.objects == (0 if end == "none" else 4)
    assert bool(models_at(store, ref.uri)) == (end == "none")


def test_an_arm_that_goes_on_after_an_older_last_word_stays(settings: Settings, store: Store) -> None:
    store.put(f"loops/{LOOP}/controls/results.json", b"{}")
    import time

    time.sleep(0.02)
    store.put(f"loops/{LOOP}/controls/gold/0004/generate-{'0' * 12}/manifest.json", b"{}")
    store.put(f"loops/{LOOP}/controls/gold/0004/generate-{'0' * 12}/0000.parquet", b"rows")
    assert collect(store, open_registry(settings, store), AGE, now=LATER, apply=True).objects == 0


def test_what_a_person_uploads_again_is_not_taken_for_a_wrong_registry(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"w")
    ref = models.upload(store, folder, LOOP)
    open_registry(settings, store).register(LOOP, ref.uri, ref.digest)
    assert collect(store, open_registry(settings, store), AGE, now=LATER, apply=True).objects == 0
