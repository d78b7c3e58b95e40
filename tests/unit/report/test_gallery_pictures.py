"""Which pictures of the gallery's items find room in a page."""

from __future__ import annotations

import hashlib
from typing import Any, cast

import pytest

from ratchet.records import ImageRef
from ratchet.report import gallery
from ratchet.report.gallery import Frames


@pytest.fixture(autouse=True)
def _of_ten_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "address", lambda ref, bank: ref.sha256[:10])


def shown(frames: Frames, *names: str) -> bool:
    refs = [
        ImageRef(sha256=hashlib.sha256(name.encode()).hexdigest(), media_type="image/png", width=8, height=8)
        for name in names
    ]
    return len(frames.of(refs, cast(Any, None))) == len(names)


def test_each_part_has_its_share_of_the_room_and_what_those_before_it_left() -> None:
    frames = Frames(100)
    assert frames.share(2, 4) == 2
    assert sum(shown(frames, f"first {i}") for i in range(9)) == 5
    frames.share(1, 2)
    assert shown(frames, "second")
    frames.share(1, 1)
    assert sum(shown(frames, f"third {i}") for i in range(9)) == 4


def test_a_picture_is_counted_once_and_an_item_has_all_of_its_pictures_or_none() -> None:
    frames = Frames(20)
    assert frames.share(0, 0) == 0
    assert shown(frames, "a")
    assert shown(frames, "a", "b")
    assert not shown(frames, "b", "c")
    assert shown(frames, "b", "a")
