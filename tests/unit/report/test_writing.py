"""Where the pages go: beside the round, with the version in the registry, and out of the exit task."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ratchet import canonical, kfp_io, rounds
from ratchet.registry import open_registry
from ratchet.registry.approval import Answer
from ratchet.registry.base import ROUND, Lineage
from ratchet.report import html, writing
from ratchet.report.collect import collect
from ratchet.settings import Settings
from ratchet.store import Store
from tests.unit.loops import LOOP, model
from tests.unit.report.collected import steered_loop


class Output:
    """A KFP output artifact: a path and metadata."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.metadata: dict[str, Any] = {}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Store]:
    settings, store = steered_loop(tmp_path_factory.mktemp("written"), count=1)
    writing.write_pages(store, LOOP, 1)
    return settings, store


def test_both_pages_lie_in_the_store_and_with_the_version_that_the_round_made(made: tuple[Settings, Store]) -> None:
    settings, store = made
    registry = open_registry(settings, store)
    ref = model(LOOP, "candidate")
    version = registry.register(LOOP, ref.uri, ref.digest, Lineage(tags={ROUND: "1"})).version
    writing.register_reports(registry, store, LOOP, 1, version)
    place = f"{rounds.round_prefix(LOOP, 1)}/report.html"
    assert registry.version(LOOP, version).tags[writing.REPORT] == store.uri(place)
    kept = f"registry/{LOOP}/pages/{int(version):04d}"
    assert store.get(f"{kept}/round-0001.html") == store.get(place)
    assert b"<h1>" in store.get(f"{kept}/loop.html")


def test_the_exit_task_hands_on_the_rounds_page_and_the_loops(
    made: tuple[Settings, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, store = made
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    job = rounds.read_round(store, LOOP, 1).job
    shown, whole = Output(tmp_path / "round.html"), Output(tmp_path / "loop.html")
    said = kfp_io.end_round(job, LOOP, shown, whole)
    assert said == "REFUSED: not-better"
    assert "Round 1 refused" in Path(shown.path).read_text()
    assert "loop <bdi>mine</bdi>" in Path(whole.path).read_text()
    assert shown.metadata["store_uri"] == store.uri(f"{rounds.round_prefix(LOOP, 1)}/report.html")


def test_a_page_that_is_too_large_to_hand_on_is_named(
    made: tuple[Settings, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, store = made
    job = rounds.read_round(store, LOOP, 1).job
    whole = store.get(writing.loop_key(LOOP))
    monkeypatch.setattr(writing, "HANDED_BYTES", len(whole) - 1)
    handed = writing.pages_of_run(settings, LOOP, job, "REFUSED: not-better")[1]
    assert len(handed.content) < len(whole) / 2
    assert handed.uri == store.uri(writing.loop_key(LOOP))
    page = handed.content.decode()
    assert "REFUSED: not-better" in page
    assert f"MiB and lies at <code>{handed.uri}</code>" in page


def test_a_run_that_opened_no_round_has_a_page_that_says_so(
    made: tuple[Settings, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in made[0].environment().items():
        monkeypatch.setenv(name, value)
    shown = Output(tmp_path / "round.html")
    said = kfp_io.end_round("<unknown>", LOOP, shown, Output(tmp_path / "loop.html"))
    page = Path(shown.path).read_text()
    assert "There is no report." in page
    assert "FAILED: run &lt;unknown&gt; opened no round" in page
    assert said.startswith("FAILED")


def test_an_answer_of_a_person_stands_beside_the_outcome(tmp_path: Path) -> None:
    _, store = steered_loop(tmp_path, count=1)
    given = Answer(verdict="reject", by="ann", note="sees <nothing>", at=datetime(2026, 7, 1, tzinfo=UTC))
    store.put(f"{rounds.round_prefix(LOOP, 1)}/approval.json", canonical.pretty(given.model_dump(mode="json")))
    page = html.render_round(collect(store, LOOP, items=10, looked_at={1}), 1)
    assert "Rejected by ann on 2026-07-01 00:00 UTC: sees &lt;nothing&gt;" in page
    assert "rejected by ann" in html.render(collect(store, LOOP, items=10))
