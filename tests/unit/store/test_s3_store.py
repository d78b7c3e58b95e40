"""S3 when it misbehaves: every fault is either overcome or told clearly."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path

import pytest

from ratchet.errors import Conflict, StoreError, StoreUnavailable
from ratchet.store import S3Store, open_store
from tests.servers import Fault, FaultyS3

READ_FAULTS: list[Fault] = ["503", "reset", "lost", "truncate", "corrupt", "stall"]


@pytest.fixture
def impatient(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a silence is to be waited for: else nothing may look like one on a busy machine."""
    if fault == "stall":
        monkeypatch.setenv("RATCHET_S3_TIMEOUT", "3")


@pytest.mark.parametrize("fault", READ_FAULTS)
@pytest.mark.usefixtures("faulty_s3", "impatient")
def test_a_read_overcomes(faulty_s3: FaultyS3, fault: Fault, tmp_path: Path) -> None:
    store = open_store(faulty_s3.root)
    store.put("a", b"0123456789" * 100)
    faulty_s3.plan(fault, method="GET")
    assert store.get("a") == b"0123456789" * 100
    assert faulty_s3.seen.count("GET") == 2


@pytest.mark.parametrize("fault", ["503", "reset", "lost", "stall"])
@pytest.mark.usefixtures("faulty_s3", "impatient")
def test_a_write_overcomes(faulty_s3: FaultyS3, fault: Fault) -> None:
    store = open_store(faulty_s3.root)
    faulty_s3.plan(fault, method="PUT")
    store.put("a", b"1")
    assert store.get("a") == b"1"


def test_ranges_and_files_overcome_broken_bodies(faulty_s3: FaultyS3, tmp_path: Path) -> None:
    store = open_store(faulty_s3.root)
    content = bytes(range(256)) * (80 << 10)
    (tmp_path / "big").write_bytes(content)
    faulty_s3.plan("503", "reset", method="PUT")
    store.put_file("big", tmp_path / "big")
    faulty_s3.plan("truncate", "reset", method="GET")
    store.get_file("big", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content
    faulty_s3.plan("truncate", method="GET")
    with store.open("big") as file:
        file.seek(1000)
        assert file.read(500) == content[1000:1500]


@pytest.mark.parametrize("condition", ["absent", "etag"])
def test_a_conditional_put_whose_answer_was_lost_is_no_conflict(faulty_s3: FaultyS3, condition: str) -> None:
    store = open_store(faulty_s3.root)
    etag = store.put("etag", b"0").etag
    faulty_s3.plan("lost", method="PUT")
    absent = condition == "absent"
    written = store.put_if(condition, b"mine", absent=absent, etag=None if absent else etag)
    assert store.get(condition) == b"mine"
    found = store.stat(condition)
    assert found is not None
    assert found.etag == written.etag


def test_a_conditional_put_that_lost_after_a_retry_is_a_conflict(faulty_s3: FaultyS3) -> None:
    store = open_store(faulty_s3.root)
    store.put("a", b"theirs")
    faulty_s3.plan("503", method="PUT")
    with pytest.raises(Conflict):
        store.put_if("a", b"mine", absent=True)
    assert store.get("a") == b"theirs"


def test_a_write_under_way_is_asked_about_again(faulty_s3: FaultyS3) -> None:
    store = open_store(faulty_s3.root)
    faulty_s3.plan("409", method="PUT")
    store.put_if("a", b"mine", absent=True)
    faulty_s3.plan("409", "409", "409", method="PUT")
    with pytest.raises(Conflict):
        store.put_if("b", b"mine", absent=True)


@pytest.mark.parametrize("fault", READ_FAULTS[:-1])
def test_giving_up_names_the_object_the_server_and_what_to_check(faulty_s3: FaultyS3, fault: Fault) -> None:
    store = open_store(faulty_s3.root)
    store.put("a", b"0123456789")
    faulty_s3.plan(*[fault] * 12, method="GET")
    with pytest.raises(StoreUnavailable) as caught:
        store.get("a")
    for words in (f"{faulty_s3.root}/a", "http://127.0.0.1:", "check that the server runs", "RATCHET_S3_ATTEMPTS"):
        assert words in str(caught.value)
    assert faulty_s3.seen.count("GET") == 3


def test_a_download_that_is_given_up_leaves_no_file(faulty_s3: FaultyS3, tmp_path: Path) -> None:
    store = open_store(faulty_s3.root)
    store.put("a", b"0123456789")
    faulty_s3.plan(*["truncate"] * 12, method="GET")
    with pytest.raises(StoreUnavailable):
        store.get_file("a", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_named(s3_root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("RATCHET_S3_ATTEMPTS", "2")
    for use in (lambda s: s.get("a"), lambda s: s.stat("a"), lambda s: list(s.list()), lambda s: s.put("a", b"")):
        with pytest.raises(StoreUnavailable, match=r"http://127\.0\.0\.1:9"):
            use(open_store(s3_root))


def test_a_missing_bucket_is_no_missing_object(s3_root: str, tmp_path: Path) -> None:
    store = open_store(f"s3://no-{uuid.uuid4().hex[:8]}/x")
    for use in (store.get, store.stat, store.exists, store.list, lambda key: store.put(key, b"")):
        with pytest.raises(StoreError, match="there is no bucket 'no-"):
            use("a")
    for size in (1, 20 << 20):
        (tmp_path / "file").write_bytes(bytes(size))
        with pytest.raises(StoreError, match="there is no bucket 'no-"):
            store.put_file("a", tmp_path / "file")


def test_refused_keys_are_told_from_absent_objects(s3_root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    store = open_store(s3_root)
    with pytest.raises(StoreError, match="no valid credentials"):
        store.get("a")
    with pytest.raises(StoreError, match="check the keys"):
        store.stat("a")


def test_absent_credentials_say_what_to_set(s3_root: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with pytest.raises(StoreError, match="set AWS_ACCESS_KEY_ID"):
        open_store(s3_root).get("a")


@pytest.mark.parametrize(
    ("name", "value"), [("RATCHET_S3_ATTEMPTS", "0"), ("RATCHET_S3_TIMEOUT", "x"), ("RATCHET_S3_PATH_STYLE", "yes")]
)
def test_settings_that_make_no_sense_are_refused(
    s3_root: str, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StoreError, match=f"{name} is {value!r}"):
        open_store(s3_root).get("a")


def test_an_object_replaced_while_it_is_read_is_noticed(s3_root: str) -> None:
    store = open_store(s3_root)
    store.put("a", bytes(3 << 20))
    with store.open("a") as file:
        file.read(10)
        store.put("a", bytes(3 << 20) + b"1")
        file.seek(2 << 20)
        with pytest.raises(Conflict):
            file.read(10)


def test_threads_share_a_store(s3_root: str) -> None:
    store = open_store(s3_root)
    assert isinstance(store, S3Store)
    threads = [threading.Thread(target=lambda n=n: store.sub(f"t{n}").put("a", b"1")) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(store.list())) == 6
