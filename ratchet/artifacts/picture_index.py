"""Where each picture lies: 40 bytes a picture in memory, whatever their number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

Place = tuple[int, int]
"""A pack's number and a row group in it."""
_GROUPS = 1 << 24
_DIGEST = "S32"


class PictureIndex:
    """SHA-256 (hex) to place, looked up in a sorted array. Of a picture that is in several packs the first counts."""

    def __init__(self) -> None:
        self._digests = np.empty(0, _DIGEST)
        self._places = np.empty(0, np.int64)

    def add(self, parts: Sequence[tuple[Place, Sequence[str]]]) -> None:
        """Take in row groups with their pictures' hashes."""
        new = [np.frombuffer(bytes.fromhex("".join(shas)), _DIGEST) for _, shas in parts]
        at = [np.full(len(shas), pack * _GROUPS + group, np.int64) for (pack, group), shas in parts]
        digests = np.concatenate([self._digests, *new])
        # Stable, so that what was there before stays before what comes now.
        order = np.argsort(digests, kind="stable")
        self._digests, self._places = digests[order], np.concatenate([self._places, *at])[order]

    def get(self, sha256: str) -> Place | None:
        digest = np.array([bytes.fromhex(sha256)], _DIGEST)
        at = int(np.searchsorted(self._digests, digest)[0])
        if at == len(self._digests) or self._digests[at] != digest[0]:
            return None
        pack, group = divmod(int(self._places[at]), _GROUPS)
        return pack, group

    def __iter__(self) -> Iterator[str]:
        for digest in np.unique(self._digests):
            yield bytes(digest).ljust(32, b"\0").hex()  # numpy cuts zeros off the end
