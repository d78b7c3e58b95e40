"""finish removes what an ended round needs no more, and nothing that somebody may go on from."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet import rounds
from ratchet.finish import finish
from ratchet.settings import Settings
from ratchet.store import Store, open_store
from ratchet.store.base import RESERVED
from ratchet.store.unfinished import remove_unfinished
from tests.unit.loops import LOOP, leave, leave_all, new_loop, opened

CONTROLS = f"{rounds.loop_prefix(LOOP)}/controls"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return new_loop(tmp_path)


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings.root)


def checkpoint(store: Store, prefix: str) -> str:
    key = f"{prefix}/train-abc/checkpoints/step-00000004.json"
    store.put(key, b"{}")
    return key


def test_checkpoints_of_a_round_that_has_ended_go_and_of_a_failed_one_stay(settings: Settings, store: Store) -> None:
    ticket = opened(settings)
    key = checkpoint(store, rounds.round_prefix(LOOP, 1))
    leave(store, ticket, "generate")
    assert finish(ticket.job, LOOP, settings).state == "FAILED"
    assert store.exists(key)
    again = opened(settings, "job-2", resume=True)
    leave_all(store, again, "REFUSED")
    assert finish("job-2", LOOP, settings).state == "REFUSED"
    assert not store.exists(key)


def test_checkpoints_of_a_control_go_when_it_is_judged(settings: Settings, store: Store) -> None:
    ticket = opened(settings)
    judged, at_work, of_another = (f"{CONTROLS}/{name}" for name in ("a/0001", "b/0001", "a/0002"))
    keys = [checkpoint(store, prefix) for prefix in (judged, at_work, of_another)]
    for prefix in (judged, of_another):
        store.put(f"{prefix}/promote-abc/manifest.json", b"{}")
    leave_all(store, ticket)
    finish(ticket.job, LOOP, settings)
    assert [store.exists(key) for key in keys] == [False, True, True]


def test_half_written_files_of_the_round_go_and_no_others(settings: Settings, store: Store) -> None:
    ticket = opened(settings)
    root = Path(store.root.removeprefix("file://"))
    prefix = rounds.round_prefix(LOOP, 1)
    places = [root / f"{prefix}/train-abc", root / f"{prefix}0", root / "models/mine"]
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{RESERVED}abc").write_bytes(b"half")
    leave_all(store, ticket)
    finish(ticket.job, LOOP, settings)
    assert [(place / f"{RESERVED}abc").exists() for place in places] == [False, True, True]


@pytest.mark.slow
def test_unfinished_uploads_below_the_prefix_are_aborted_and_no_others(s3_root: str) -> None:
    from ratchet.store.s3_client import Connection, split_uri

    store, client = open_store(s3_root), Connection().client()
    bucket, below = split_uri(s3_root)
    for key in ("rounds/0001/a", "rounds/0001/b", "rounds/00010/c", "models/d"):
        made = client.create_multipart_upload(Bucket=bucket, Key=f"{below}/{key}")
        client.upload_part(Bucket=bucket, Key=f"{below}/{key}", UploadId=made["UploadId"], PartNumber=1, Body=b"x" * 9)
    assert remove_unfinished(store, "rounds/0001/") == 2
    assert remove_unfinished(store, "rounds/0001/") == 0
    left = client.list_multipart_uploads(Bucket=bucket, Prefix=f"{below}/").get("Uploads", [])
    assert sorted(one["Key"].removeprefix(f"{below}/") for one in left) == ["models/d", "rounds/00010/c"]
