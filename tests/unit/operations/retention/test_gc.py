"""What retention takes and what it leaves, over rounds that begin, stages and finish really wrote."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet import canonical, models, rounds
from ratchet.artifacts import ArtifactWriter, Header
from ratchet.artifacts.manifest import Pack, read_manifest
from ratchet.artifacts.shards import Artifact
from ratchet.errors import RatchetError, RegistryUnavailable, ShardUnreadable
from ratchet.finish import finish
from ratchet.operations.retention import collect
from ratchet.operations.retention.sweep import unit_of
from ratchet.registry import Registry, open_registry
from ratchet.registry.base import ROUND, Lineage
from ratchet.settings import Settings
from ratchet.store import FolderStore, Store, open_store
from tests.unit.loops import LOOP, OTHER_RECIPE, ROWS, Row, leave, leave_all, new_loop, opened, promoted

AGE = timedelta(days=30)
LATER = datetime.now(UTC) + timedelta(days=40)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return new_loop(tmp_path)


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings.root)


@pytest.fixture
def registry(settings: Settings, store: Store) -> Registry:
    return open_registry(settings, store)


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        made = tmp_path / name
        made.mkdir()
        (made / "config.json").write_text("{}")
        (made / "model.safetensors").write_bytes(name.encode())
        return made

    return make


def keys(store: Store, prefix: str = "") -> set[str]:
    return {store.key(stat.uri) for stat in store.list(prefix)}


def ended(settings: Settings, store: Store, job: str, state: str = "REFUSED", **options: Any) -> int:
    ticket = opened(settings, job, **options)
    leave_all(store, ticket, state)
    assert finish(job, LOOP, settings).state == state
    return ticket.number


def test_rows_of_a_refused_round_go_and_all_it_was_decided_by_stays(
    settings: Settings, store: Store, registry: Registry
) -> None:
    number = ended(settings, store, "job-1")
    prefix = rounds.round_prefix(LOOP, number)
    before = keys(store)
    dry = collect(store, registry, AGE, now=LATER)
    assert keys(store) == before
    done = collect(store, registry, AGE, now=LATER, apply=True)
    gone = before - keys(store)
    zeros = "0" * 12
    assert {key.split("/")[-2] for key in gone} == {f"generate-{zeros}", f"verify-{zeros}"}
    assert all(key.endswith(".parquet") for key in gone)
    assert (dry.objects, dry.size) == (done.objects, done.size)
    assert done.objects == len(gone)
    assert set(rounds.manifests(store, LOOP, number)) >= {"generate", "filter", "train", "promote"}
    with pytest.raises(ShardUnreadable, match=r"was removed by retention, as .*removed\.json says: its round is over"):
        list(Artifact.open(store, store.uri(f"{prefix}/generate-{zeros}"), ROWS).rows())
    assert list(Artifact.open(store, store.uri(f"{prefix}/filter-{zeros}"), ROWS).rows()) == [Row(text="filter")]
    assert collect(store, registry, AGE, now=LATER, apply=True).objects == 0


@pytest.mark.parametrize("state", ["young", "PROMOTED", "PENDING", "FAILED", "open"])
def test_a_round_that_may_still_be_needed_keeps_everything(
    state: str, settings: Settings, store: Store, registry: Registry
) -> None:
    now = LATER
    if state == "open":
        leave(store, opened(settings), "generate")
    elif state == "FAILED":
        ticket = opened(settings)
        leave_all(store, ticket, but=("train", "evaluate", "promote"))
        assert finish("job-1", LOOP, settings).state == "FAILED"
    elif state == "PROMOTED":
        ticket = opened(settings)
        promoted(settings, ticket)
        leave_all(store, ticket, "PROMOTED")
        finish("job-1", LOOP, settings)
    else:
        ended(settings, store, "job-1", "REFUSED" if state == "young" else state)
        now = LATER if state == "PENDING" else datetime.now(UTC) + timedelta(days=2)
    before = keys(store)
    assert collect(store, registry, AGE, now=now, apply=True).objects == 0
    assert keys(store) == before


def test_a_failed_round_goes_once_another_has_come_after_it(
    settings: Settings, store: Store, registry: Registry
) -> None:
    leave(store, opened(settings), "generate")
    finish("job-1", LOOP, settings)
    opened(settings, "job-2", OTHER_RECIPE)
    gone = collect(store, registry, AGE, now=LATER, apply=True)
    assert gone.kinds["rows of spent rounds"].objects == 1


def test_weights_stay_while_a_version_names_them_and_go_when_it_is_deleted(
    settings: Settings, store: Store, registry: Registry, folder: Callable[[str], Path]
) -> None:
    named, nobody = models.upload(store, folder("named"), LOOP), models.upload(store, folder("nobodys"), LOOP)
    registry.register(LOOP, named.uri, named.digest, Lineage(tags={ROUND: "1"}))
    done = collect(store, registry, AGE, now=LATER, apply=True)
    assert not keys(store, store.key(nobody.uri))
    assert len(keys(store, store.key(named.uri))) == 3
    assert done.kinds["models"].objects == 3
    # The loop's seed, and this one.
    assert done.kinds["models"].kept == 2


def test_weights_that_somebody_is_about_to_use_again_are_young(
    settings: Settings, store: Store, registry: Registry, folder: Callable[[str], Path], tmp_path: Path
) -> None:
    made = folder("old")
    ref = models.upload(store, made, LOOP)
    long_ago = time.time() - 60 * 86_400
    for key in keys(store, store.key(ref.uri)):
        os.utime(tmp_path / "store" / key, (long_ago, long_ago))
    assert collect(store, registry, AGE).kinds["models"].objects == 3
    models.upload(store, made, LOOP)
    assert collect(store, registry, AGE, apply=True).objects == 0


def test_an_adapter_keeps_the_model_that_it_lies_on(
    settings: Settings, store: Store, registry: Registry, folder: Callable[[str], Path], tmp_path: Path
) -> None:
    base = models.upload(store, folder("base"), "beside")
    lora = tmp_path / "lora"
    lora.mkdir()
    (lora / "adapter_config.json").write_text("{}")
    (lora / "adapter_model.safetensors").write_bytes(b"lora")
    (lora / "ratchet-base.json").write_text(f'{{"name": "beside", "digest": "{base.digest}"}}')
    adapter = models.upload(store, lora, LOOP)
    registry.register(LOOP, adapter.uri, adapter.digest, Lineage(tags={ROUND: "1"}))
    assert collect(store, registry, AGE, now=LATER, apply=True).objects == 0


def test_pictures_that_were_learned_from_stay_though_they_lie_among_rows_that_go(
    settings: Settings, store: Store, registry: Registry
) -> None:
    ticket = opened(settings)
    leave_all(store, ticket, but=("filter",))
    place = f"{rounds.round_prefix(LOOP, ticket.number)}/generate-{'0' * 12}/pictures-00000-000.parquet"
    store.put(place, b"pictures")
    header = Header(stage="filter", key="filter", loop=LOOP, round=ticket.number, epoch=ticket.epoch)
    writer = ArtifactWriter(store, f"{rounds.round_prefix(LOOP, ticket.number)}/filter-{'0' * 12}", ROWS, header)
    writer.write(0, [Row(text="filter")])
    pack = Pack(uri=store.uri(place), size=8, sha256=canonical.sha256(b"pictures"), images=1)
    writer.commit(packs=(pack,), counts={"kept": 1}, seconds={})
    finish("job-1", LOOP, settings)
    collect(store, registry, AGE, now=LATER, apply=True)
    assert store.exists(place)


def test_drawn_prompts_go_when_no_round_names_them_and_what_people_imported_never(
    settings: Settings, store: Store, registry: Registry
) -> None:
    ended(settings, store, "job-1")
    drawn = {key.split("/")[1] for key in keys(store, "prompts/")}
    body = store.get(next(key for key in keys(store, "prompts/") if key.endswith("set.json")))
    for name, source in (("a" * 32, "tinyworld"), ("b" * 32, "photos")):
        changed = {**canonical.loads(body), "digest": name * 2, "source": source}
        store.put(f"prompts/{name}/set.json", canonical.pretty(changed))
    done = collect(store, registry, AGE, now=LATER, apply=True)
    assert {key.split("/")[1] for key in keys(store, "prompts/")} == {*drawn, "b" * 32}
    assert done.kinds["prompt sets"].objects == 1


def test_ledgers_promotions_and_what_is_not_known_are_never_touched(
    settings: Settings, store: Store, registry: Registry
) -> None:
    ended(settings, store, "job-1")
    kept = (
        "looks/items/x.json",
        "registry/mine/1.json",
        "of-somebody-else/x.bin",
        f"loops/{LOOP}/promotions/9999.json",
    )
    for key in kept[:3]:
        store.put(key, b"{}") if not store.exists(key) else None
    before = {key for key in keys(store) if not key.startswith(("models/", "prompts/", f"loops/{LOOP}/rounds"))}
    collect(store, registry, AGE, now=LATER, apply=True)
    assert before <= keys(store)


def test_nothing_outside_of_the_root_is_deleted(tmp_path: Path) -> None:
    whole = FolderStore(tmp_path / "all")
    settings = Settings(root=str(tmp_path / "all" / "team"), registry="store")
    new_loop(tmp_path / "all" / "elsewhere")
    outside = {key for key in keys(whole) if not key.startswith("team/")}
    inside = open_store(settings.root)
    # A name that begins alike is another root, and a link leads out of this one.
    whole.put("team-b/models/x/y/model.safetensors", b"theirs")
    (tmp_path / "victim" / "y").mkdir(parents=True)
    (tmp_path / "victim" / "y" / "model.safetensors").write_bytes(b"theirs")
    (tmp_path / "all" / "team" / "models").mkdir(parents=True)
    (tmp_path / "all" / "team" / "models" / "x").symlink_to(tmp_path / "victim")
    collect(inside, open_registry(settings, inside), AGE, now=LATER, apply=True)
    assert (tmp_path / "victim" / "y" / "model.safetensors").exists()
    assert outside | {"team-b/models/x/y/model.safetensors"} <= keys(whole)


class Dying(FolderStore):
    """Ends the process of a sweep after so many deletions, as a kill would."""

    left = 0

    def delete(self, key: str) -> None:
        if self.left <= 0:
            raise KeyboardInterrupt
        self.left -= 1
        super().delete(key)


@pytest.mark.parametrize("after", [0, 1, 2, 3, 4])
def test_killed_anywhere_and_run_again_it_ends_as_if_it_had_not_been(
    after: int, settings: Settings, store: Store, registry: Registry, folder: Callable[[str], Path]
) -> None:
    ref = models.upload(store, folder("nobodys"), LOOP)
    number = ended(settings, store, "job-1")
    dying = Dying(settings.root)
    dying.left = after
    with pytest.raises(KeyboardInterrupt):
        collect(dying, registry, AGE, now=LATER, apply=True)
    # Never a model that looks whole and is not.
    files = keys(store, store.key(ref.uri))
    assert len(files) == 3 or not any(key.endswith("ratchet-model.json") for key in files)
    collect(store, registry, AGE, now=LATER, apply=True)
    assert not keys(store, store.key(ref.uri))
    read_manifest(store, f"{rounds.round_prefix(LOOP, number)}/generate-{'0' * 12}")
    assert collect(store, registry, AGE, now=LATER).objects == 0


class Away:
    """A registry that does not answer."""

    def versions(self, name: str) -> list[Any]:
        raise RegistryUnavailable(f"no answer about {name}")


def test_without_the_registry_nothing_is_deleted(settings: Settings, store: Store) -> None:
    ended(settings, store, "job-1")
    before = keys(store)
    with pytest.raises(RegistryUnavailable):
        collect(store, Away(), AGE, now=LATER, apply=True)  # type: ignore[arg-type]
    assert keys(store) == before


def test_an_age_below_a_day_is_refused(store: Store, registry: Registry) -> None:
    with pytest.raises(RatchetError, match=r"an age of 1:00:00 is below 1 day, 0:00:00.*Give a day or more"):
        collect(store, registry, timedelta(hours=1))


@given(st.lists(st.sampled_from(["models", "prompts", "imports", "a", "b", "loops", "x.json"]), min_size=1, max_size=6))
def test_a_unit_is_a_folder_that_its_keys_begin_with(parts: list[str]) -> None:
    key = "/".join(parts)
    unit = unit_of(key)
    assert key == unit or key.startswith(f"{unit}/")
