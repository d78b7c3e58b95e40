"""The report's champion is the version that the alias points to, whoever moved it there."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ratchet import rounds
from ratchet.cli.app import app
from ratchet.registry import open_registry
from ratchet.registry.base import ROUND, Lineage
from ratchet.registry.promotion import rollback
from ratchet.report.afterwards import comments
from ratchet.report.collect import collect
from ratchet.report.sentences import headline
from ratchet.report.writing import loop_key, round_key, write_loop_page, write_pages
from ratchet.rounds import RoundEnd
from ratchet.settings import Settings
from ratchet.stage import lease_of
from ratchet.store import Store, open_store
from tests.unit.loops import LOOP, decision, leave, model, new_loop, opened, promoted


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


OPEN, CLOSE = comments("afterwards")


def _ratchet(settings: Settings, patch: pytest.MonkeyPatch, *words: str) -> None:
    for name, value in settings.environment().items():
        patch.setenv(name, value)
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output


def _told(page: str) -> str:
    return page.partition(OPEN)[2].partition(CLOSE)[0]


def test_the_page_of_a_round_that_was_rolled_back_says_so_and_keeps_all_else_as_it_was(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pages(store, LOOP, 1)
    before = store.get(round_key(LOOP, 1)).decode()
    assert OPEN + CLOSE in before
    _ratchet(settings, monkeypatch, "rollback", "--loop", LOOP, "--why", "it <b>babbles</b>", "--by", "ada")
    page = store.get(round_key(LOOP, 1)).decode()
    assert "Version 2 was rolled back by ada on " in page
    assert "version 1 is champion again. The reason given: it &lt;b&gt;babbles&lt;/b&gt;" in _told(page)
    assert page.replace(_told(page), "") == before
    assert "Round 1 promoted version 2" in page
    assert store.get(f"registry/{LOOP}/pages/0002/round-0001.html").decode() == page
    assert "Version 2 was rolled back by ada" in store.get(loop_key(LOOP)).decode()


def test_a_refused_version_that_a_person_made_champion_is_told_of_on_its_rounds_page(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = opened(settings, "job-2")
    candidate = model(LOOP, "refused", store)
    registry = open_registry(settings, store)
    version = registry.register(LOOP, candidate.uri, candidate.digest, Lineage(tags={ROUND: "2"})).version
    results = decision("REFUSED") | {"candidate": version, "champion": "2"}
    results["decision"] |= {"p_value": 0.4, "alpha_spent": 0.02, "look": 1, "guards": []}
    leave(store, ticket, "promote", results)
    end = RoundEnd(state="REFUSED", reason="not-better", job=ticket.job, champion="2", candidate=version)
    rounds.write_end(store, LOOP, ticket.number, end)
    lease_of(store, ticket).release()
    write_pages(store, LOOP, 2)
    _ratchet(settings, monkeypatch, "rollback", "--loop", LOOP, "--to", version, "--around-gate", "--by", "ada")
    page = store.get(round_key(LOOP, 2)).decode()
    assert "Round 2 refused version 3" in page
    assert "Version 3 was made champion around the gate by ada on " in _told(page)
    _ratchet(settings, monkeypatch, "rollback", "--loop", LOOP, "--by", "bob")
    (_, second) = collect(store, LOOP).rounds
    assert [words.partition(" by ")[0] for words in second.later] == [
        "Version 3 was made champion around the gate",
        "Version 3 was rolled back",
    ]


def test_looking_at_the_report_tells_of_a_move_outside_ratchet_and_of_pages_older_than_this(
    settings: Settings, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pages(store, LOOP, 1)
    old = store.get(round_key(LOOP, 1)).decode().replace(OPEN + CLOSE, "")
    store.put(round_key(LOOP, 1), old.encode())
    open_registry(settings, store).set_champion(LOOP, "1", expected="2")
    asked = ("report", "--loop", LOOP, "--out", str(tmp_path / "report.html"))
    _ratchet(settings, monkeypatch, *asked)
    page = store.get(round_key(LOOP, 1)).decode()
    assert "Version 2 is not the champion that it was: the alias was moved outside ratchet, to version 1." in _told(
        page
    )
    assert page.replace(OPEN + _told(page) + CLOSE, "") == old
    _ratchet(settings, monkeypatch, *asked)
    assert store.get(round_key(LOOP, 1)).decode() == page
