"""What every store promises, in a folder, in a real S3 and in memory."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratchet.errors import Conflict, NotFound, StoreError
from ratchet.store import Store, join, open_store, preflight
from ratchet.store.memory import MemoryStore

BAD_KEYS = [
    "",
    "/a",
    "a/",
    "a//b",
    "../a",
    "a/../b",
    ".",
    "a/./b",
    "a\\b",
    "a\nb",
    ".~temp",
    "x" * 201,
    "a/" * 600 + "a",
]


@pytest.fixture(params=["folder", "s3", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "memory":
        return MemoryStore()
    return open_store(request.getfixturevalue("s3_root") if request.param == "s3" else f"file://{tmp_path}/store")


def keys(store: Store, prefix: str = "") -> list[str]:
    return [store.key(found.uri) for found in store.list(prefix)]


def test_bytes_come_back_as_they_were_put(store: Store) -> None:
    written = store.put("a/b.bin", b"\x00\xff" * 1000)
    assert store.get("a/b.bin") == b"\x00\xff" * 1000
    assert written.uri == store.uri("a/b.bin") == f"{store.root}/a/b.bin"
    found = store.stat("a/b.bin")
    assert found is not None
    assert (found.size, found.etag, found.uri) == (2000, written.etag, written.uri)


def test_modified_is_now_in_utc(store: Store) -> None:
    written = store.put("a", b"1")
    found = store.stat("a")
    assert found is not None
    for stat in (written, found, *store.list()):
        assert stat.modified.tzinfo == UTC
        assert abs(stat.modified - datetime.now(UTC)) < timedelta(seconds=10)


def test_a_missing_object_is_not_found(store: Store, tmp_path: Path) -> None:
    assert store.stat("no") is None
    assert not store.exists("no")
    for read in (
        lambda: store.get("no"),
        lambda: store.get_file("no", tmp_path / "no"),
        lambda: store.get_range("no", 0, 1),
        lambda: store.get_range("no", 0, 0),
        lambda: store.open("no"),
    ):
        with pytest.raises(NotFound, match=store.uri("no")):
            read()
    assert not (tmp_path / "no").exists()


def test_a_folder_is_not_an_object(store: Store) -> None:
    store.put("a/b", b"1")
    assert not store.exists("a")
    with pytest.raises(NotFound):
        store.get("a")


def test_delete_is_quiet_when_there_is_nothing(store: Store) -> None:
    store.put("a", b"1")
    store.delete("a")
    store.delete("a")
    assert not store.exists("a")
    assert keys(store) == []


@pytest.mark.parametrize("key", BAD_KEYS)
def test_keys_that_lead_astray_are_refused(tmp_path: Path, key: str) -> None:
    for store in (open_store(str(tmp_path)), open_store("s3://never-contacted/x")):
        for use in (store.get, store.stat, store.exists, store.delete, store.uri, store.open):
            with pytest.raises(StoreError, match="is not a store key"):
                use(key)
        with pytest.raises(StoreError, match="is not a store key"):
            store.put(key, b"")


def test_listing_is_sorted_as_plain_text_whatever_the_folders(store: Store) -> None:
    names = ["x/b", "x.y", "x-1", "x/a", "é f+%25&=?#'()", "Z", "x0/1", "p/q/r"]
    for name in names:
        store.put(name, b"1")
    assert keys(store) == sorted(names)
    assert keys(store, "x") == ["x-1", "x.y", "x/a", "x/b", "x0/1"]
    assert keys(store, "x/") == ["x/a", "x/b"]
    assert keys(store, "x/b") == ["x/b"]
    assert keys(store, "nothing") == []


def test_folders_are_named_without_listing_what_is_in_them(store: Store) -> None:
    assert store.folders("loops/") == []
    for name in ["loops/b/runs/1", "loops/a-1/x", "loops/a/x", "loops/a/deep/er/y", "loops/file", "other/x"]:
        store.put(name, b"1")
    assert store.folders("loops/") == ["a", "a-1", "b"]
    assert store.folders() == ["loops", "other"]
    assert store.sub("loops").folders("a/") == ["deep"]
    assert store.folders("loops/b/runs/") == []
    with pytest.raises(StoreError, match="names no folder"):
        store.folders("loops")


def test_naming_folders_takes_no_more_requests_for_more_objects_in_them(s3_root: str) -> None:
    from ratchet.store.s3 import S3Store
    from ratchet.store.s3_client import Connection

    connection = Connection()
    store, asked = S3Store(s3_root, connection), list[str]()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.put(f"loops/a/{number:04}", b""), range(1100)))
    connection.client().meta.events.register("before-send.s3", lambda request, **_: asked.append(request.url))
    assert store.folders("loops/") == ["a"]
    assert len(asked) == 1
    assert len(list(store.list("loops/"))) == 1100
    assert len(asked) > 2, "a listing of all takes a request for each thousand"


def test_a_sub_store_sees_its_folder_alone(store: Store) -> None:
    store.put("loops/a/lease", b"1")
    store.put("loops/b/lease", b"2")
    sub = store.sub("loops").sub("b/")
    assert sub.get("lease") == b"2"
    assert keys(sub) == ["lease"]
    assert sub.uri("lease") == join(store.root, "loops/b", "lease")
    with pytest.raises(StoreError, match="not inside"):
        sub.key(store.uri("loops/a/lease"))


def test_an_absent_condition_is_kept(store: Store) -> None:
    store.put_if("a", b"1", absent=True)
    with pytest.raises(Conflict):
        store.put_if("a", b"1", absent=True)
    assert store.get("a") == b"1"


def test_an_etag_condition_is_kept(store: Store) -> None:
    first = store.put("a", b"1")
    second = store.put_if("a", b"2", etag=first.etag)
    assert second.etag != first.etag
    for etag in (first.etag, "0" * 32):
        with pytest.raises(Conflict):
            store.put_if("a", b"3", etag=etag)
    assert store.get("a") == b"2"
    store.delete("a")
    with pytest.raises(Conflict):
        store.put_if("a", b"3", etag=second.etag)


def test_exactly_one_condition_must_be_given(store: Store) -> None:
    with pytest.raises(StoreError, match="give absent=True or an etag"):
        store.put_if("a", b"1")
    with pytest.raises(StoreError, match="give absent=True or an etag"):
        store.put_if("a", b"1", absent=True, etag="x")


def test_ranges_are_cut_at_the_end(store: Store) -> None:
    store.put("a", b"0123456789")
    assert store.get_range("a", 2, 3) == b"234"
    assert store.get_range("a", 8, 100) == b"89"
    assert store.get_range("a", 10, 1) == store.get_range("a", 99, 5) == store.get_range("a", 3, 0) == b""
    with pytest.raises(StoreError, match="negative"):
        store.get_range("a", -1, 1)


def test_an_open_object_is_a_seekable_file(store: Store) -> None:
    store.put("a", bytes(range(256)) * 20)
    with store.open("a") as file:
        assert file.read(3) == b"\x00\x01\x02"
        assert file.seek(-2, os.SEEK_END) == 5118
        assert file.read() == b"\xfe\xff"
        assert file.seek(256) == 256
        assert file.read(1) == b"\x00"


def test_parquet_is_read_in_place(store: Store, tmp_path: Path) -> None:
    table = pa.table({"a": list(range(5000)), "b": ["x" * 50] * 5000})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=1000)
    store.put_file("t.parquet", tmp_path / "t.parquet")
    with store.open("t.parquet") as file:
        assert pq.ParquetFile(file).read_row_group(3, columns=["a"]).column("a").to_pylist() == list(range(3000, 4000))


def test_large_files_go_both_ways_in_parts(store: Store, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(os.urandom(1 << 20) * 40)
    written = store.put_file("big", tmp_path / "big")
    assert written.size == 40 << 20
    store.get_file("big", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "big").read_bytes()
    assert store.put("big", (tmp_path / "big").read_bytes()[: 20 << 20]).size == 20 << 20
    assert store.get_range("big", 17 << 20, 9) == (tmp_path / "big").read_bytes()[17 << 20 :][:9]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["back", "big"]


def test_only_a_local_file_can_be_sent(store: Store, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(StoreError, match="it is not a file"):
            store.put_file("a", path)
    assert not store.exists("a")


def test_a_store_can_be_sent_to_another_process(store: Store) -> None:
    store.put("a", b"1")
    assert pickle.loads(pickle.dumps(store.sub("x"))).root == store.sub("x").root
    assert pickle.loads(pickle.dumps(store)).get("a") == b"1"


def test_preflight_passes_and_leaves_nothing(store: Store) -> None:
    preflight(store)
    assert keys(store) == []


def _race(root: str, number: int, barrier, results) -> None:  # type: ignore[no-untyped-def]
    store = open_store(root)
    store.exists("start")
    wins = []
    for turn in range(8):
        barrier.wait()
        try:
            store.put_if(f"turn-{turn}", f"{number}".encode(), absent=True)
            wins.append(turn)
        except Conflict:
            pass
    barrier.wait()
    increments = 0
    while increments < 5:
        found = store.stat("counter")
        assert found is not None
        value = int(store.get("counter"))
        try:
            store.put_if("counter", str(value + 1).encode(), etag=found.etag)
            increments += 1
        except Conflict:
            continue
    results.put((number, wins))


def test_of_racing_processes_exactly_one_wins_every_time(store_root: str) -> None:
    store = open_store(store_root)
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(3), context.Queue()
    store.put("counter", b"0")
    racers = [context.Process(target=_race, args=(store_root, n, barrier, results)) for n in range(3)]
    for racer in racers:
        racer.start()
    won = dict(results.get(timeout=240) for _ in racers)
    for racer in racers:
        racer.join()
    assert sorted(turn for wins in won.values() for turn in wins) == list(range(8))
    for number, wins in won.items():
        assert all(store.get(f"turn-{turn}") == str(number).encode() for turn in wins)
    assert store.get("counter") == b"15"


def test_importing_the_store_does_not_import_boto3() -> None:
    code = "import sys, ratchet.store; sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[3]).returncode == 0
