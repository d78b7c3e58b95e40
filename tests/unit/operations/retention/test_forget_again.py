"""Forgetting that was killed, or is run again: what was known of the picture is not lost, and nobody works on its rows meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ratchet import canonical, rounds
from ratchet.artifacts import GROUPS, ArtifactWriter, Header
from ratchet.errors import LeaseHeld
from ratchet.finish import finish
from ratchet.operations.retention import forget
from ratchet.operations.retention.learning import merged
from ratchet.registry import Registry, open_registry
from ratchet.registry import lease as leases
from ratchet.registry.base import ROUND, Lineage
from ratchet.review.labels import Label, Labels
from ratchet.rounds import Ticket
from ratchet.settings import Settings
from ratchet.store import FolderStore, Store, open_store
from tests.unit.loops import LOOP, leave, leave_all, model, new_loop, opened, stored_model
from tests.unit.operations.retention.test_forget import Dying, drawn, group

WORDS = "SECRETWORDS"


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
def sha(settings: Settings, store: Store, registry: Registry) -> str:
    """A picture of an ended round that version 2 learned from, with a label and with pages."""
    ticket = opened(settings)
    gone, stays = drawn(store, ticket)[0]
    leave_all(store, ticket, but=("filter",))
    filtered(store, ticket, gone, stays)
    finish("job-1", LOOP, settings)
    ref = model(LOOP, "candidate", store)
    registry.register(LOOP, ref.uri, ref.digest, Lineage(tags={ROUND: "1"}))
    label = {"round": 1, "split": "pool", "prompt_id": gone.id, "text": WORDS, "model": "m", "why": (), "author": "a"}
    Labels(store, LOOP).add(Label(**label, verdict=True, choice="right"))  # type: ignore[arg-type]
    return gone.images[0].sha256


def filtered(store: Store, ticket: Ticket, *prompts: object) -> None:
    header = Header(stage="filter", key="filter", loop=LOOP, round=ticket.number, epoch=ticket.epoch)
    writer = ArtifactWriter(store, f"{rounds.round_prefix(LOOP, ticket.number)}/filter-{'0' * 12}", GROUPS, header)
    writer.write(0, [group(one) for one in prompts])  # type: ignore[arg-type]
    writer.commit(counts={"kept": 2}, seconds={})


def redrawing(store: Store) -> Callable[[str, int], None]:
    def redraw(loop: str, number: int) -> None:
        FolderStore(store.root).put(f"{rounds.round_prefix(loop, number)}/report.html", b"drawn anew")
        FolderStore(store.root).put(f"loops/{loop}/report.html", b"the loop's, drawn anew")

    return redraw


def state(root: Path, sha: str) -> dict[str, bytes]:
    """Every file but leases, and the note without its times."""
    found = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.name.startswith("lease.")
    }
    note = canonical.loads(found[f"forgotten/{sha}.json"])
    assert note["complete"]
    found[f"forgotten/{sha}.json"] = canonical.dumps({**note, "at": "", "complete": ""})
    return found


@pytest.mark.slow
def test_killed_at_every_write_and_run_again_it_ends_as_undisturbed(
    sha: str, settings: Settings, store: Store, registry: Registry, tmp_path: Path
) -> None:
    root = tmp_path / "store"
    shutil.copytree(root, tmp_path / "kept")
    told = forget(store, registry, sha, apply=True, redraw=redrawing(store))
    expected = state(root, sha)
    for after in range(200):
        shutil.rmtree(root)
        shutil.copytree(tmp_path / "kept", root)
        dying = Dying(settings.root)
        dying.left = after
        mortal = open_registry(settings, dying)
        try:
            forget(dying, mortal, sha, apply=True, redraw=redrawing(store))
            break
        except KeyboardInterrupt:
            again = forget(store, registry, sha, apply=True, redraw=redrawing(store))
        assert (again.versions, again.rounds, again.runs) == (told.versions, told.rounds, told.runs), after
        now = state(root, sha)
        assert now.keys() == expected.keys(), after
        assert [key for key in now if now[key] != expected[key]] == [], after
    assert after > 15


@pytest.mark.parametrize("after", [1, 9, 13, 16])
def test_killed_late_it_still_empties_labels_and_draws_pages_anew(
    after: int, sha: str, settings: Settings, store: Store, registry: Registry, tmp_path: Path
) -> None:
    dying = Dying(settings.root)
    dying.left = after
    with pytest.raises(KeyboardInterrupt):
        forget(dying, registry, sha, apply=True, redraw=redrawing(store))
    told = forget(store, registry, sha, apply=True, redraw=redrawing(store))
    assert (told.versions, told.rounds) == ({LOOP: ["2"]}, ("mine/1",))
    assert store.get(f"{rounds.round_prefix(LOOP, 1)}/report.html") == b"drawn anew"
    assert all(WORDS.encode() not in path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())


def test_run_again_it_loses_neither_versions_nor_prompts(sha: str, store: Store, registry: Registry) -> None:
    first = forget(store, registry, sha, apply=True)
    note = canonical.loads(store.get(f"forgotten/{sha}.json"))
    again = forget(store, registry, sha, apply=True)
    assert (again.versions, again.rounds, again.runs) == (first.versions, first.rounds, ("mine/job-1",))
    repeated = canonical.loads(store.get(f"forgotten/{sha}.json"))
    assert {**repeated, "complete": ""} == {**note, "complete": ""}
    assert note["prompts"]


def test_a_note_of_an_older_ratchet_is_taken_up(sha: str, store: Store, registry: Registry) -> None:
    body = {"sha256": sha, "at": "2026-01-01T00:00:00Z", "versions": {"old": ["7"]}, "prompts": ["p"]}
    store.put(f"forgotten/{sha}.json", canonical.dumps(body))
    assert forget(store, registry, sha, apply=True).versions == {LOOP: ["2"], "old": ["7"]}
    assert "p" in canonical.loads(store.get(f"forgotten/{sha}.json"))["prompts"]


def test_a_round_that_has_only_begun_from_its_prompts_is_not_disturbed(
    settings: Settings, store: Store, registry: Registry
) -> None:
    ticket = opened(settings)
    gone = drawn(store, ticket)[0][0].images[0].sha256
    with pytest.raises(LeaseHeld, match="run job-1 works on loop mine"):
        forget(store, registry, gone, apply=True)
    assert not store.exists(f"forgotten/{gone}.json")


class Beginning(FolderStore):
    """A run tries to take the loop while pages and rows are written."""

    tried = 0

    def delete(self, key: str) -> None:
        place = open_store(self.root).sub(f"loops/{LOOP}")
        with pytest.raises(LeaseHeld, match="forget-"):
            leases.acquire(place, "job-2", 60)
        self.tried += 1
        super().delete(key)


def test_no_run_begins_on_a_loop_while_its_rows_change_and_one_may_afterwards(
    sha: str, settings: Settings, store: Store, registry: Registry
) -> None:
    beginning = Beginning(settings.root)
    forget(beginning, registry, sha, apply=True)
    assert beginning.tried > 2
    leases.acquire(store.sub(f"loops/{LOOP}"), "job-2", 60)


def test_rows_that_came_while_it_was_taken_out_go_too(
    sha: str, settings: Settings, store: Store, registry: Registry
) -> None:
    late = opened(settings, "job-2", resume=False)
    leave(store, late, "generate")
    finish("job-2", LOOP, settings)
    prompts = drawn(store, late)[0]
    came: list[int] = []

    def redraw(loop: str, number: int) -> None:
        if not came:
            shown = [one for one in prompts if one.images[0].sha256 == sha] or prompts
            shown = [
                one.model_copy(update={"images": (one.images[0].model_copy(update={"sha256": sha}),)}) for one in shown
            ]
            filtered(store, late, *shown)
        came.append(number)

    forget(store, registry, sha, apply=True, redraw=redraw)
    assert forget(store, registry, sha).files == ()
    assert late.number in came


def test_versions_of_other_loops_that_come_of_one_that_learned_are_named(
    sha: str, settings: Settings, store: Store, registry: Registry
) -> None:
    learned = registry.version(LOOP, "2")
    registry.register("second", learned.uri, learned.digest, Lineage(tags={ROUND: "0"}))
    template = stored_model(store, "third", "with-a-template")
    source = Lineage(tags={ROUND: "0", "ratchet.source": "models:/second/1"})
    registry.register("third", template.uri, template.digest, source)
    adapter = stored_model(store, "fourth", "adapter")
    store.put(
        f"{store.key(adapter.uri)}/ratchet-base.json", f'{{"name": "third", "digest": "{template.digest}"}}'.encode()
    )
    registry.register("fourth", adapter.uri, adapter.digest, Lineage(tags={ROUND: "0"}))
    clean = stored_model(store, "fifth", "clean")
    registry.register("fifth", clean.uri, clean.digest, Lineage(tags={ROUND: "0"}))
    assert forget(store, registry, sha).versions == {
        LOOP: ["2"],
        "fourth": ["1 (from third 1)"],
        "second": ["1 (from mine 2)"],
        "third": ["1 (from second 1)"],
    }


def test_every_version_of_the_loop_gets_the_page_as_it_is_now(sha: str, store: Store, registry: Registry) -> None:
    for file in ("loop.html", "round-0001.html"):
        registry.keep_page(LOOP, "2", file, "with the picture")
    registry.keep_page(LOOP, "1", "loop.html", "with the picture")
    forget(store, registry, sha, apply=True, redraw=redrawing(store))
    pages = {store.key(s.uri): store.get(store.key(s.uri)) for s in store.list(f"registry/{LOOP}/pages/")}
    assert pages == {
        "registry/mine/pages/0001/loop.html": b"the loop's, drawn anew",
        "registry/mine/pages/0002/loop.html": b"the loop's, drawn anew",
        "registry/mine/pages/0002/round-0001.html": b"drawn anew",
    }
    store.put(f"loops/{LOOP}/report.html", b"with the picture")
    forget(store, registry, sha, apply=True)
    assert b"was forgotten" in store.get("registry/mine/pages/0001/loop.html")
    assert not store.exists(f"loops/{LOOP}/report.html")


def test_a_version_is_told_once_with_what_is_known_of_it_now() -> None:
    assert merged({"a": ["3 (from 2)", "10"], "b": ["1"]}, {"a": ["2", "3"]}) == {"a": ["2", "3", "10"], "b": ["1"]}
