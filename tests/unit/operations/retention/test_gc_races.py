"""Somebody uploads the same model, or finishes the same prompt set, at any moment of its removal: it is whole, or nobody finds it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from ratchet import models
from ratchet.artifacts import ModelRef
from ratchet.errors import RatchetError
from ratchet.model_files import CARD
from ratchet.operations.retention import collect
from ratchet.registry import open_registry
from ratchet.settings import Settings
from ratchet.store import FolderStore, Stat, Store, open_store
from tests.unit.loops import LOOP, new_loop

AGE = timedelta(days=30)


class Racing(FolderStore):
    """Does something else before, or after, its n-th look at or deletion of what lies below a place."""

    def arm(self, below: str, at: int, act: Callable[[], object], *, after: bool) -> None:
        self.below, self.at, self.act, self.after, self.seen = below, at, act, after, 0

    def _turn(self, key: str, after: bool) -> None:
        if not key.startswith(self.below) or after != self.after:
            return
        self.seen += 1
        if self.seen == self.at:
            self.act()

    def stat(self, key: str) -> Stat | None:
        self._turn(key, False)
        found = super().stat(key)
        self._turn(key, True)
        return found

    def delete(self, key: str) -> None:
        self._turn(key, False)
        super().delete(key)
        self._turn(key, True)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return new_loop(tmp_path)


def old_model(store: Store, folder: Path, place: Path) -> ModelRef:
    if not folder.exists():
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(b"weights")
    ref = models.upload(store, folder, LOOP)
    for stat in store.list(store.key(ref.uri)):
        os.utime(place / store.key(stat.uri), (1, 1))
    return ref


@pytest.mark.parametrize("after", [False, True])
def test_a_model_that_is_uploaded_while_it_goes_is_whole_or_nobody_finds_it(
    after: bool, settings: Settings, tmp_path: Path
) -> None:
    store, racing = open_store(settings.root), Racing(settings.root)
    registry = open_registry(settings, store)
    outcomes = set()
    for at in range(1, 14):
        ref = old_model(store, tmp_path / "m", tmp_path / "store")
        racing.arm(store.key(ref.uri), at, lambda: models.upload(store, tmp_path / "m", LOOP), after=after)
        said = None
        try:
            collect(racing, registry, AGE, apply=True)
        except RatchetError as error:
            said = str(error)
        if store.exists(f"{store.key(ref.uri)}/{CARD}"):
            assert said is None
            models.fetch(store, ref, tmp_path / f"cache-{after}-{at}")
            outcomes.add("whole")
        else:
            if racing.seen >= at:
                assert said is None or "Repeat what wrote it" in said
            outcomes.add("gone" if said is None else "told")
            models.upload(store, tmp_path / "m", LOOP)
            models.fetch(store, ref, tmp_path / f"cache-{after}-{at}")
    assert "whole" in outcomes


class Noting(FolderStore):
    """Keeps the order of deletions."""

    deleted: list[str]

    def delete(self, key: str) -> None:
        self.deleted.append(key)
        super().delete(key)


def test_weights_go_right_after_their_card(settings: Settings, tmp_path: Path) -> None:
    store, noting = open_store(settings.root), Noting(settings.root)
    noting.deleted = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
        (tmp_path / name / "model.safetensors").write_bytes(name.encode())
        old_model(store, tmp_path / name, tmp_path / "store")
    collect(noting, open_registry(settings, store), AGE, apply=True)
    folders = [key.rsplit("/", 1)[0] for key in noting.deleted]
    assert len(folders) == 6
    assert [len(set(folders[:3])), len(set(folders[3:]))] == [1, 1]
    assert noting.deleted[0].endswith(CARD)
    assert noting.deleted[3].endswith(CARD)


def test_a_prompt_set_that_is_finished_anew_while_it_goes_is_whole_or_nobody_finds_it(
    settings: Settings, tmp_path: Path
) -> None:
    store, racing = open_store(settings.root), Racing(settings.root)
    place = f"prompts/{'a' * 32}"
    body = (
        b'{"name": "n", "digest": "%s", "source": "tinyworld", "salt": "s", "parts": {}, "rows": {}, "fingerprints": null, "family": "f"}'
        % (b"a" * 64)
    )

    def finished() -> None:
        # As its writer does: what is there already is not written again.
        if not store.exists(f"{place}/pool/manifest.json"):
            store.put(f"{place}/pool/00000.parquet", b"rows")
            store.put(f"{place}/pool/manifest.json", b"{}")
        store.put(f"{place}/set.json", body)

    for at in range(1, 12):
        finished()
        for stat in store.list(place):
            os.utime(tmp_path / "store" / store.key(stat.uri), (1, 1))
        racing.arm(place, at, finished, after=at % 2 == 0)
        try:
            collect(racing, open_registry(settings, store), AGE, apply=True)
        except RatchetError as error:
            assert "Repeat what wrote it" in str(error)  # noqa: PT017
        there = {store.key(stat.uri) for stat in store.list(place)}
        assert f"{place}/set.json" not in there or len(there) == 3, at
        collect(store, open_registry(settings, store), AGE, apply=True)
        finished()
