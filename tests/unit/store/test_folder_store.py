"""What is special about folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ratchet.errors import Conflict, StoreError
from ratchet.store import FolderStore, Stat, open_store, preflight


@pytest.mark.parametrize(
    "uri", ["gs://b/x", "file:x", "file://host/x", "s3:/b", "http://x", "", "s3://ab/x", "s3://A_B/x"]
)
def test_addresses_that_are_no_store_are_refused(uri: str) -> None:
    with pytest.raises(StoreError, match=r"cannot open|is not a bucket"):
        open_store(uri)


def test_a_path_and_its_file_uri_are_the_same_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_store("a b").root == open_store(f"file://{tmp_path}/a b").root == f"file://{tmp_path}/a b"


def test_links_out_of_the_root_are_refused(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"1")
    store = open_store(str(tmp_path / "root"))
    store.put("a", b"1")
    os.symlink(tmp_path / "outside", tmp_path / "root" / "link")
    os.symlink(tmp_path / "outside" / "secret", tmp_path / "root" / "file")
    for use in (store.get, store.stat, store.exists, store.delete, store.open, store.sub):
        for key in ("link/secret", "file"):
            with pytest.raises(StoreError, match="leads out of the store"):
                use(key)
    with pytest.raises(StoreError, match="leads out of the store"):
        store.put("link/new", b"1")
    assert sorted(path.name for path in (tmp_path / "outside").iterdir()) == ["secret"]


def test_a_root_that_is_a_link_itself_is_fine(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    os.symlink(tmp_path / "real", tmp_path / "link")
    open_store(str(tmp_path / "link")).put("a", b"1")
    assert (tmp_path / "real" / "a").read_bytes() == b"1"


def test_no_temporary_file_stays_or_is_listed(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.put_if("a", b"1", absent=True)
    with pytest.raises(Conflict):
        store.put_if("a", b"2", absent=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    (tmp_path / ".~left-by-a-kill").write_bytes(b"half")
    assert [found.uri for found in store.list()] == [store.uri("a")]


def test_a_key_below_a_file_is_refused_with_a_hint(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.put("a", b"1")
    with pytest.raises(StoreError, match="use another key"):
        store.put("a/b", b"1")
    store.put("c/d", b"1")
    with pytest.raises(StoreError, match="use another key"):
        store.put("c", b"1")


def test_large_objects_change_their_etag_without_being_hashed(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    first = store.put("a", bytes(2 << 20))
    second = store.put_if("a", bytes(2 << 20), etag=first.etag)
    assert first.etag != second.etag
    with pytest.raises(Conflict):
        store.put_if("a", b"", etag=first.etag)


class Careless(FolderStore):
    """A store that ignores one kind of condition, as some S3 servers do."""

    ignores = "etag"

    def put_if(self, key: str, data: bytes, *, absent: bool = False, etag: str | None = None) -> Stat:
        if (self.ignores == "etag") == absent:
            return super().put_if(key, data, absent=absent, etag=etag)
        return self.put(key, data)


@pytest.mark.parametrize(("ignores", "header"), [("etag", "If-Match"), ("absent", "If-None-Match")])
def test_preflight_refuses_a_store_that_ignores_conditions(tmp_path: Path, ignores: str, header: str) -> None:
    store = Careless(tmp_path)
    store.ignores = ignores
    with pytest.raises(StoreError, match=rf"ignores conditional puts \({header}\)"):
        preflight(store)
    assert list(store.list()) == []
