"""Moves of the alias: the promotion log says which there were, and each is new to the trigger once."""

from __future__ import annotations

from ratchet.operations.trigger.moves import MoveReader, alias_moves, observe
from ratchet.registry.ledger import PromotionLog
from ratchet.registry.promotion import Intent, history
from tests.triggered import LOOP, Ground


def reader(ground: Ground) -> MoveReader:
    return MoveReader(ground.registry, ground.store, LOOP)


def test_a_to_b_and_back_to_a_are_two_moves(ground: Ground) -> None:
    moves = reader(ground)
    ground.person("2")
    moves.read()
    ground.person("1")
    assert [(m.kind, m.origin, m.target) for m in moves.read()] == [
        ("seed", None, "1"),
        ("outside", "1", "2"),
        ("outside", "2", "1"),
    ]


def test_the_same_version_set_again_is_no_move(ground: Ground) -> None:
    moves = reader(ground)
    ground.person("2")
    before = list(moves.read())
    ground.person("2")
    assert moves.read() == before
    assert reader(ground).read() == before


def test_gate_rollback_and_people_are_told_apart(ground: Ground) -> None:
    moves = reader(ground)
    ground.gate("2", "round-1")
    ground.rollback()
    ground.person("3")
    assert [m.kind for m in moves.read()] == ["seed", "promotion", "rollback", "outside"]


def test_an_alias_that_is_taken_away_has_moved(ground: Ground) -> None:
    moves = reader(ground)
    moves.read()
    ground.store.delete(f"registry/{LOOP}/champion.json")
    assert moves.read()[-1].target is None
    assert "went from version 1 away" in moves.read()[-1].words()


def test_one_move_that_two_processes_recorded_is_one(ground: Ground) -> None:
    ground.person("2")
    reader(ground).read()
    log = PromotionLog(ground.store, f"loops/{LOOP}/promotions")
    twice = Intent(kind="outside", name=LOOP, origin="1", target="2", by="unknown", reason="late", key="late")
    number = log.begin_promotion(twice.model_dump(mode="json"))
    log.finish(number, {"moved": True, "champion": "2", "note": ""})
    assert [m.target for m in alias_moves(history(ground.store, LOOP))] == ["1", "2"]


def test_a_promotion_that_was_killed_half_way_is_completed_by_whoever_looks(ground: Ground) -> None:
    log = PromotionLog(ground.store, f"loops/{LOOP}/promotions")
    half = Intent(kind="promotion", name=LOOP, origin="1", target="2", by="round", reason="better", key="round-1")
    log.begin_promotion(half.model_dump(mode="json"))
    ground.person("2")
    assert [(m.kind, m.target) for m in reader(ground).read()] == [("seed", "1"), ("promotion", "2")]


def test_a_move_is_new_once(ground: Ground) -> None:
    ground.gate("2", "round-1")
    moves = reader(ground).read()
    assert [m.number for m in observe(ground.store, LOOP, moves)] == [1, 2]
    assert observe(ground.store, LOOP, moves) == []


def test_nothing_new_is_seen_without_reading_the_log_again(ground: Ground) -> None:
    moves = reader(ground)
    assert moves.read() is moves.read()
    ground.gate("2", "round-1")
    assert [m.target for m in moves.read()] == ["1", "2"]
