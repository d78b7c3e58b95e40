"""The report's champion is the version that the alias points to, whoever moved it there."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ratchet import rounds
from ratchet.cli.app import app
from ratchet.registry import open_registry
from ratchet.registry.promotion import rollback
from ratchet.report.collect import collect
from ratchet.report.sentences import headline
from ratchet.report.writing import loop_key, write_loop_page
from ratchet.rounds import RoundEnd
from ratchet.settings import Settings
from ratchet.stage import lease_of
from ratchet.store import Store, open_store
from tests.unit.loops import LOOP, decision, leave, new_loop, opened, promoted


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A loop whose first round promoted version 2."""
    settings = new_loop(tmp_path)
    ticket = opened(settings)
    store = open_store(settings.root)
    results = decision("PROMOTED")
    results["decision"] |= {"p_value": 0.001, "alpha_spent": 0.02, "look": 1, "guards": []}
    leave(store, ticket, "promote", results)
    promoted(settings, ticket)
    end = RoundEnd(state="PROMOTED", reason="better", job=ticket.job, champion="2", candidate="2")
    rounds.write_end(store, LOOP, ticket.number, end)
    lease_of(store, ticket).release()
    return settings


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings.root)


def test_after_a_rollback_the_headline_names_the_older_version_and_who_did_it(settings: Settings, store: Store) -> None:
    assert collect(store, LOOP).champion.version == "2"
    rollback(open_registry(settings, store), store, LOOP, by="ada", reason="it babbles")
    view = collect(store, LOOP)
    assert (view.champion.version, view.champion.move, view.champion.by) == ("1", "rollback", "ada")
    assert headline(view) == (
        "The champion is version 1, champion again since a rollback by ada (it babbles). It is the seed."
    )


def test_a_move_that_the_log_has_not_recorded_shows_where_the_registry_is_asked(
    settings: Settings, store: Store
) -> None:
    registry = open_registry(settings, store)
    registry.set_champion(LOOP, "1", expected="2")
    assert collect(store, LOOP).champion.version == "2"
    view = collect(store, LOOP, registry=registry)
    assert (view.champion.version, view.champion.move) == ("1", "outside")
    assert "made champion by a move of the alias outside ratchet" in headline(view)


def test_the_rollback_command_writes_the_loops_page_again(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    write_loop_page(store, LOOP)
    done = CliRunner().invoke(app, ["rollback", "--loop", LOOP, "--why", "it babbles"])
    assert done.exit_code == 0, done.output
    assert b"The champion is version 1, champion again since a rollback" in store.get(loop_key(LOOP))
