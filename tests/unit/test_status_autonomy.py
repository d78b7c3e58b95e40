"""Status tells each round's level, and the last one in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet import canonical, rounds
from ratchet.cli import loops as cli
from ratchet.registry import open_registry
from ratchet.registry.base import ROUND, Lineage
from ratchet.registry.promotion import record_foreign_moves
from ratchet.settings import Settings
from ratchet.status import loop_status
from ratchet.store import Store, open_store
from tests.unit.loops import LOOP, decision, leave, model, new_loop, opened


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return new_loop(tmp_path)


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings.root)


def test_begin_records_the_autonomy_and_status_gives_it_as_json(settings: Settings, store: Store) -> None:
    opened(settings)
    recorded = rounds.read_round(store, LOOP, 1).autonomy
    assert recorded is not None
    told = canonical.loads(canonical.dumps(loop_status(settings, LOOP)))["rounds"][0]["autonomy"]
    assert told == recorded.model_dump(mode="json")
    assert (told["level"], told["prompts"], told["answers"]) == ("A2", "rule", "self")


def test_status_prints_a_level_a_round_and_the_last_one_in_words(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    opened(settings)
    cli._print_status(settings, LOOP)
    text = capsys.readouterr().out
    header, row, words = text.splitlines()[1:4]
    assert row[header.index("level") :].startswith("A2")
    assert words.startswith(
        "autonomy of round 1: A2: a procedural world asks, the model answers, labels or rules check"
    )


def test_a_candidate_that_a_person_made_champion_was_decided_by_a_person(settings: Settings, store: Store) -> None:
    ticket = opened(settings)
    registry = open_registry(settings, store)
    ref = model(LOOP, "candidate")
    made = registry.register(LOOP, ref.uri, ref.digest, Lineage(tags={ROUND: "1"}))
    leave(store, ticket, "promote", {**decision("REFUSED"), "candidate": made.version})
    assert loop_status(settings, LOOP)["rounds"][0]["autonomy"]["decision"] == "rule"
    assert registry.set_champion(LOOP, made.version, expected="1")
    record_foreign_moves(registry, store, LOOP)
    told = loop_status(settings, LOOP)["rounds"][0]["autonomy"]
    assert told["decision"] == "human"
    assert "a person decides" in told["sentence"]


def test_a_round_that_is_older_than_the_record_still_has_a_status(settings: Settings, store: Store) -> None:
    ticket = opened(settings)
    key = f"{rounds.round_prefix(LOOP, ticket.number)}/round.json"
    old = canonical.loads(store.get(key))
    del old["autonomy"]
    store.put(key, canonical.dumps(old))
    assert loop_status(settings, LOOP)["rounds"][0]["autonomy"] is None
    cli._print_status(settings, LOOP)
