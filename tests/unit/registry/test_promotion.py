"""Moving the alias: one at a time, completed or voided when half-done, taken back, and watched."""

from __future__ import annotations

import multiprocessing
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from ratchet.errors import LeaseLost, RegistryError
from ratchet.registry.base import PROMOTED_AT, PROMOTED_FROM, PROMOTION
from ratchet.registry.ledger import PromotionLog
from ratchet.registry.mlflow_registry import MlflowRegistry
from ratchet.registry.promotion import (
    Intent,
    history,
    mend,
    previous_champion,
    promote,
    record_foreign_moves,
    recorded_champion,
    rollback,
)
from ratchet.registry.store_registry import StoreRegistry
from ratchet.store import open_store
from tests.unit.registry.rows import crown, model

LOOP = "mine"


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path))


@pytest.fixture
def registry(store):
    """A registry whose version 1 is champion, with versions 2 to 5 behind it."""
    made = StoreRegistry(store)
    crown(made, store, LOOP)
    for n in range(2, 6):
        made.register(LOOP, f"s3://b/{n}", model(f"model {n}", LOOP).digest)
    return made


def move(registry, store, version, expected, key=None, **named):
    return promote(
        registry,
        store,
        LOOP,
        version,
        expected=expected,
        key=key or f"to-{version}",
        by="test",
        reason="better",
        **named,
    )


def announce(store, version, expected, key="announced", kind="promotion"):
    intent = Intent(kind=kind, name=LOOP, origin=expected, target=version, by="test", reason="better", key=key)
    return PromotionLog(store, f"loops/{LOOP}/promotions").begin_promotion(intent.model_dump(mode="json"))


def test_a_promotion_moves_the_alias_and_says_where_from(store, registry):
    done = move(registry, store, "2", "1", round=7)
    assert (done.moved, done.number, done.done.champion) == (True, 2, "2")
    assert registry.champion(LOOP).version == "2"
    tags = registry.version(LOOP, "2").tags
    assert (tags[PROMOTED_FROM], tags[PROMOTION]) == ("1", "2")
    assert tags[PROMOTED_AT] == done.intent.at.isoformat(timespec="seconds")
    assert [(m.intent.kind, m.intent.target, m.intent.round) for m in history(store, LOOP)] == [
        ("seed", "1", None),
        ("promotion", "2", 7),
    ]


def test_the_same_promotion_again_is_the_same(store, registry):
    first = move(registry, store, "2", "1")
    move(registry, store, "3", "2")
    assert move(registry, store, "2", "1") == first
    assert registry.champion(LOOP).version == "3"
    assert len(history(store, LOOP)) == 3


def test_a_champion_that_moved_meanwhile_makes_a_promotion_stale(store, registry):
    move(registry, store, "2", "1")
    late = move(registry, store, "3", "1")
    assert not late.moved
    assert late.done.note.startswith("it started from version 1, but the alias champion points at version 2")
    assert registry.champion(LOOP).version == "2"
    assert recorded_champion(store, LOOP) == "2"


def test_an_unknown_version_is_refused_before_anything_is_announced(store, registry):
    with pytest.raises(RegistryError, match=r"no version '9'.*1, 2, 3, 4, 5"):
        move(registry, store, "9", "1")
    assert len(history(store, LOOP)) == 1


def test_a_promotion_killed_before_the_alias_is_completed(store, registry):
    announce(store, "2", "1")
    mended = mend(registry, store, LOOP)
    assert (mended.moved, registry.champion(LOOP).version) == (True, "2")
    assert mend(registry, store, LOOP) is None
    assert registry.version(LOOP, "2").tags[PROMOTED_FROM] == "1"


def test_a_promotion_killed_after_the_alias_is_completed(store, registry):
    announce(store, "2", "1")
    registry.set_champion(LOOP, "2", expected="1")
    assert mend(registry, store, LOOP).moved
    assert recorded_champion(store, LOOP) == "2"


def test_a_half_done_promotion_is_voided_when_the_alias_went_elsewhere(store, registry):
    announce(store, "2", "1")
    registry.set_champion(LOOP, "4", expected="1")
    mended = mend(registry, store, LOOP)
    assert (mended.moved, mended.done.champion) == (False, "4")
    assert registry.champion(LOOP).version == "4"
    assert PROMOTED_AT not in registry.version(LOOP, "2").tags


def test_the_next_promotion_completes_the_half_done_one_first(store, registry):
    announce(store, "2", "1")
    late = move(registry, store, "3", "1")
    assert not late.moved
    assert [m.moved for m in history(store, LOOP)] == [True, True, False]
    assert registry.champion(LOOP).version == "2"


def test_two_that_announce_the_same_promotion_move_once(store, registry):
    move(registry, store, "2", "1", key="same")
    announce(store, "2", "1", key="same")
    mended = mend(registry, store, LOOP)
    assert (mended.moved, mended.done.note) == (False, "repeats promotion 2")


def test_whoever_lost_the_loop_announces_nothing(store, registry):
    def lost():
        raise LeaseLost("the loop belongs to another run")

    with pytest.raises(LeaseLost):
        move(registry, store, "2", "1", check=lost)
    assert len(history(store, LOOP)) == 1
    assert registry.champion(LOOP).version == "1"


def test_the_lease_is_checked_again_before_the_alias_moves(store, registry):
    answers = iter([None, LeaseLost("taken over")])

    def check():
        answer = next(answers)
        if answer is not None:
            raise answer

    with pytest.raises(LeaseLost):
        move(registry, store, "2", "1", check=check)
    assert registry.champion(LOOP).version == "1"
    assert history(store, LOOP)[-1].done is None


def test_a_move_made_by_a_person_is_recorded_once(store, registry):
    assert record_foreign_moves(registry, store, LOOP) is None
    registry.set_champion(LOOP, "4", expected="1")
    seen = record_foreign_moves(registry, store, LOOP)
    assert (seen.moved, seen.intent.kind, seen.intent.origin, seen.intent.target) == (True, "outside", "1", "4")
    assert record_foreign_moves(registry, store, LOOP) is None
    assert PROMOTED_AT not in registry.version(LOOP, "4").tags


def test_rolling_back_takes_one_step_each(store, registry):
    move(registry, store, "2", "1")
    move(registry, store, "3", "2")
    assert previous_champion(store, LOOP) == "2"
    assert rollback(registry, store, LOOP, by="me", reason="it babbles").moved
    assert registry.champion(LOOP).version == "2"
    rollback(registry, store, LOOP, by="me", reason="this one too")
    assert registry.champion(LOOP).version == "1"
    with pytest.raises(RegistryError, match="only champion there ever was"):
        rollback(registry, store, LOOP, by="me", reason="further")
    move(registry, store, "5", "1")
    assert previous_champion(store, LOOP) == "1"
    assert [m.intent.kind for m in history(store, LOOP)] == ["seed", *["promotion"] * 2, *["rollback"] * 2, "promotion"]


def test_rolling_back_to_a_named_version(store, registry):
    move(registry, store, "2", "1")
    assert rollback(registry, store, LOOP, by="me", reason="r", to_version="1").moved
    assert registry.champion(LOOP).version == "1"
    with pytest.raises(RegistryError, match="version 1 is the champion already"):
        rollback(registry, store, LOOP, by="me", reason="r", to_version="1")
    with pytest.raises(RegistryError, match="no version '77'"):
        rollback(registry, store, LOOP, by="me", reason="r", to_version="77")


def test_rolling_back_to_what_never_was_champion_needs_a_word(store, registry):
    move(registry, store, "2", "1")
    with pytest.raises(RegistryError, match="version 3 never was champion, so this is no rollback"):
        rollback(registry, store, LOOP, by="me", reason="r", to_version="3")
    assert registry.champion(LOOP).version == "2"
    assert rollback(registry, store, LOOP, by="me", reason="r", to_version="3", around_gate=True).moved


def test_rolling_back_what_a_person_set_goes_to_the_champion_before(store, registry):
    registry.set_champion(LOOP, "4", expected="1")
    rollback(registry, store, LOOP, by="me", reason="not proved")
    assert registry.champion(LOOP).version == "1"
    assert [m.intent.kind for m in history(store, LOOP)] == ["seed", "outside", "rollback"]


def test_a_rollback_killed_half_way_and_asked_for_again_is_one_step(store, registry):
    move(registry, store, "2", "1")
    move(registry, store, "3", "2")
    announce(store, "2", "3", key="rollback-4-3-2", kind="rollback")
    rollback(registry, store, LOOP, by="me", reason="again")
    assert registry.champion(LOOP).version == "2"


def test_without_a_champion_there_is_nothing_to_roll_back(store):
    with pytest.raises(RegistryError, match="nothing to roll back"):
        rollback(StoreRegistry(store), store, LOOP, by="me", reason="r")


def _race(registry, store, loop, version, barrier, results):
    barrier.wait()
    found = promote(registry, store, loop, version, expected="1", key=f"key-{version}", by="race", reason="r")
    results.put((version, found.moved, found.done.note))


def race(registry, store, loop, versions, method):
    context = multiprocessing.get_context(method)
    barrier, results = context.Barrier(len(versions)), context.Queue()
    racers = [context.Process(target=_race, args=(registry, store, loop, v, barrier, results)) for v in versions]
    for racer in racers:
        racer.start()
    found = [results.get(timeout=120) for _ in racers]
    for racer in racers:
        racer.join()
    return found


@pytest.mark.parametrize("repetition", range(5))
def test_of_promotions_that_race_one_wins_and_the_others_say_why(store, registry, repetition):
    found = race(registry, store, LOOP, ["2", "3", "4", "5"], "fork")
    won = [version for version, moved, _ in found if moved]
    assert won == [registry.champion(LOOP).version]
    lost = [note for _, moved, note in found if not moved]
    assert len(lost) == 3
    assert all(f"the alias champion points at version {won[0]}" in note for note in lost)
    assert [m.number for m in history(store, LOOP)] == [1, 2, 3, 4, 5]
    assert sum(m.moved for m in history(store, LOOP)) == 2


@pytest.mark.slow
def test_of_promotions_that_race_on_mlflow_one_wins(store, mlflow_uri, monkeypatch):
    loop = f"race-{uuid.uuid4().hex[:8]}"
    registry = MlflowRegistry(mlflow_uri)
    crown(registry, store, loop)
    for n in range(2, 4):
        registry.register(loop, f"s3://b/{n}", model(f"model {n}", loop).digest)
    found = race(MlflowRegistry(mlflow_uri), store, loop, ["2", "3"], "spawn")
    assert sorted(moved for _, moved, _ in found) == [False, True]
    assert [v for v, moved, _ in found if moved] == [registry.champion(loop).version]
    assert registry.champion(loop).tags[PROMOTED_FROM] == "1"


@pytest.mark.slow
def test_many_that_write_the_same_tag_at_once_all_succeed(mlflow_uri):
    loop = f"tags-{uuid.uuid4().hex[:8]}"
    made = MlflowRegistry(mlflow_uri).register(loop, "s3://b/1", model("model 1", loop).digest)

    def tag(n):
        MlflowRegistry(mlflow_uri).set_tags(loop, made.version, {f"tag-{n // 8}": "same"})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(tag, range(40)))
    expected = {**made.tags, **{f"tag-{n}": "same" for n in range(5)}}
    assert MlflowRegistry(mlflow_uri).version(loop, made.version).tags == expected


@pytest.mark.slow
def test_mlflow_moves_by_a_person_are_seen_and_taken_back(store, mlflow_uri, monkeypatch):
    from mlflow import MlflowClient

    loop = f"person-{uuid.uuid4().hex[:8]}"
    registry = MlflowRegistry(mlflow_uri)
    crown(registry, store, loop)
    registry.register(loop, "s3://b/2", model("model 2", loop).digest)
    client = MlflowClient(mlflow_uri)
    client.set_registered_model_alias(loop, "champion", "2")
    assert record_foreign_moves(registry, store, loop).intent.target == "2"
    assert rollback(registry, store, loop, by="me", reason="not proved").moved
    assert client.get_model_version_by_alias(loop, "champion").version == "1"
    client.delete_registered_model_alias(loop, "champion")
    assert record_foreign_moves(registry, store, loop).intent.target is None
    assert registry.champion(loop) is None
