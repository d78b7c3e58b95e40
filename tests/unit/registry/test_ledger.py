"""Ledgers that only grow, on a folder and on a real S3."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import suppress

import pytest

from ratchet.errors import Conflict, NotFound, StoreError
from ratchet.registry.ledger import Entry, Ledger, Promotion, PromotionLog, PromotionPending
from ratchet.store import Stat, Store, open_store


@pytest.fixture
def store(store_root: str) -> Store:
    return open_store(store_root)


def test_entries_are_numbered_from_one_without_gaps(store: Store) -> None:
    ledger = Ledger(store, "looks/abc")
    assert ledger.last() is None
    assert list(ledger.entries()) == []
    assert [ledger.append({"p": n / 10}) for n in range(3)] == [1, 2, 3]
    assert [entry.value["p"] for entry in ledger.entries()] == [0.0, 0.1, 0.2]
    assert ledger.last() == ledger.read(3) == Entry(3, None, {"p": 0.2})
    assert store.exists("looks/abc/0001.json")


def test_numbers_go_on_beyond_four_digits(store: Store) -> None:
    ledger = Ledger(store, "looks")
    ledger.append({"first": True})
    store.put("looks/9999.json", store.get("looks/0001.json"))
    assert ledger.append({}) == 10000
    assert ledger.append({}) == 10001


def test_ledgers_with_a_common_beginning_are_apart(store: Store) -> None:
    Ledger(store, "looks/a").append({})
    Ledger(store, "looks/ab").append({})
    store.put("looks/a/notes.txt", b"by hand")
    assert Ledger(store, "looks/a").append({}) == 2
    assert Ledger(store, "looks").last() is None


def test_the_same_key_gets_the_stored_entry(store: Store) -> None:
    ledger = Ledger(store, "looks/abc")
    ledger.append({})
    first = ledger.append_once("candidate-7", {"decision": "promote"})
    assert first == Entry(2, "candidate-7", {"decision": "promote"})
    ledger.append_once("candidate-8", {"decision": "keep"})
    assert ledger.append_once("candidate-7", {"decision": "changed my mind"}) == first
    assert len(list(ledger.entries())) == 3


def test_entries_are_never_rewritten(store: Store) -> None:
    ledger = Ledger(store, "looks")
    ledger.append({"a": 1})
    before = store.get("looks/0001.json")
    ledger.append({"a": 2})
    ledger.append_once("k", {"a": 3})
    assert store.get("looks/0001.json") == before


def test_what_is_not_json_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="must be JSON"):
        Ledger(store, "looks").append({"a": object()})
    store.put("looks/0001.json", b"broken")
    with pytest.raises(StoreError, match="is not a ledger entry"):
        Ledger(store, "looks").read(1)
    with pytest.raises(NotFound):
        Ledger(store, "looks").read(2)


def test_a_promotion_is_an_intent_and_then_done(store: Store) -> None:
    log = PromotionLog(store)
    assert log.pending() is None
    assert log.begin_promotion({"version": 3}) == 1
    assert log.pending() == Promotion(1, {"version": 3}, None)
    log.finish(1, {"alias": "champion"})
    assert log.pending() is None
    assert log.begin_promotion({"version": 4}) == 2
    assert log.history() == [Promotion(1, {"version": 3}, {"alias": "champion"}), Promotion(2, {"version": 4}, None)]
    assert store.exists("promotions/0001.intent.json")
    assert store.exists("promotions/0001.done.json")


def test_no_promotion_begins_while_one_is_half_done(store: Store) -> None:
    log = PromotionLog(store)
    log.begin_promotion({"version": 3})
    with pytest.raises(PromotionPending, match=r"0001\.intent\.json was begun and never finished") as caught:
        log.begin_promotion({"version": 4})
    assert caught.value.promotion == Promotion(1, {"version": 3}, None)


def test_a_listing_that_missed_what_was_written_meanwhile_makes_no_promotion_half_done(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = PromotionLog(store)
    for version in (3, 4):
        log.finish(log.begin_promotion({"version": version}), {"moved": True})
    whole = log.history()
    complete = type(store).list

    def torn(self: Store, prefix: str = "") -> Iterator[Stat]:
        return (
            stat for stat in complete(self, prefix) if not stat.uri.endswith(("0001.intent.json", "0001.done.json"))
        )

    monkeypatch.setattr(type(store), "list", torn)
    assert log.history() == whole


def test_finishing_twice_is_quiet_only_with_the_same_content(store: Store) -> None:
    log = PromotionLog(store)
    number = log.begin_promotion({"version": 3})
    log.finish(number, {"at": 1.5})
    log.finish(number, {"at": 1.5})
    with pytest.raises(Conflict, match="says otherwise"):
        log.finish(number, {"at": 2.5})
    with pytest.raises(NotFound):
        log.finish(9, {})


def _append(root: str, number: int, barrier, results) -> None:  # type: ignore[no-untyped-def]
    store = open_store(root)
    ledger, log = Ledger(store, "looks"), PromotionLog(store)
    store.exists("start")
    barrier.wait()
    numbers = [ledger.append({"same": True}) for _ in range(5)]
    once = [ledger.append_once(f"key-{n}", {"by": number}) for n in range(3)]
    begun = []
    for turn in range(4):
        barrier.wait()
        with suppress(PromotionPending):
            begun.append(log.begin_promotion({"same": True}))
        barrier.wait()
        if begun and begun[-1] == turn + 1:
            log.finish(turn + 1, {})
    results.put((numbers, once, begun))


def test_racing_processes_get_their_own_numbers(store: Store, store_root: str) -> None:
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(3), context.Queue()
    racers = [context.Process(target=_append, args=(store_root, n, barrier, results)) for n in range(3)]
    for racer in racers:
        racer.start()
    found = [results.get(timeout=240) for _ in racers]
    for racer in racers:
        racer.join()
    once = {entry.number for _, entries, _ in found for entry in entries}
    assert found[0][1] == found[1][1] == found[2][1]
    assert len(once) == 3
    assert sorted([*once, *(number for numbers, _, _ in found for number in numbers)]) == list(range(1, 19))
    assert sorted(number for _, _, begun in found for number in begun) == [1, 2, 3, 4]
