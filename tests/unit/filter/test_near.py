import random

import pytest

from ratchet.filter import near
from ratchet.filter.near import NearIndex


def flipped(value: int, bits: int, chance: random.Random) -> int:
    for place in chance.sample(range(64), bits):
        value ^= 1 << place
    return value


@pytest.mark.parametrize("bits", [0, 3, 4, 7, 8, 11, 12, 16])
@pytest.mark.parametrize("scanned", [10, 4096])
def test_the_index_finds_what_comparing_all_finds(bits: int, scanned: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "SCANNED", scanned)
    chance = random.Random(bits)
    entries = [chance.getrandbits(64) for _ in range(60)]
    index = NearIndex(bits)
    for entry in entries:
        index.add(5, [entry])
    for apart in range(max(bits - 2, 0), bits + 3):
        for entry in entries[::6]:
            asked = flipped(entry, apart, chance)
            assert index.has(5, [asked]) == any((asked ^ e).bit_count() <= bits for e in entries)


@pytest.mark.parametrize("scanned", [1, 4096])
def test_all_pictures_must_be_near_in_order(scanned: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "SCANNED", scanned)
    index = NearIndex(1)
    index.add(0, [0, 0xFFFF])
    index.add(0, [0xFFFFFFFF, 0xFFFFFFFF])
    assert index.has(0, [1, 0xFFFE])
    assert not index.has(0, [0xFFFF, 0])
    assert not index.has(0, [3, 0xFFFF])


def test_other_keys_do_not_match() -> None:
    index = NearIndex(16)
    index.add(1, [0])
    assert index.has(1, [0])
    assert not index.has(2, [0])
