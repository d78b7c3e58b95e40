"""Words in a row that a prompt shares with a held-out one (Brown et al. 2020 take 13). Shorter texts share none."""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ratchet.records import Prompt
from ratchet.verify.text import normalise

BASE = 8
_WORD = re.compile(r"\w+")


def eights(prompt: Prompt) -> tuple[int, ...]:
    """Hashes (63 bits) of every eight words in a row of the question followed by the reference, in order."""
    words = _WORD.findall(normalise(f"{prompt.question} {prompt.reference or ''}"))
    return tuple(_hash(" ".join(words[start : start + BASE])) for start in range(len(words) - BASE + 1))


class Met:
    """The n-grams of held-out prompts, 8 <= n <= 16: 8 bytes each."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._added = array("Q")
        self._sorted: npt.NDArray[np.uint64] | None = None

    def add(self, grams: Sequence[int]) -> None:
        """Take in a prompt's `eights`."""
        self._added.extend(longer(grams, self._n).tolist())
        self._sorted = None

    def shares(self, grams: Sequence[int]) -> bool:
        """Whether a prompt with these `eights` has n words in a row in common with any that was added."""
        own = longer(grams, self._n)
        if self._sorted is None:
            self._sorted = np.unique(np.frombuffer(self._added, dtype=np.uint64).copy())
        if not own.size or not self._sorted.size:
            return False
        at = np.minimum(np.searchsorted(self._sorted, own), self._sorted.size - 1)
        return bool((self._sorted[at] == own).any())


def longer(grams: Sequence[int], n: int) -> npt.NDArray[np.uint64]:
    """Hashes of n words in a row, of a prompt's `eights`: the first eight and the last eight are all of them, as n is at most 16."""
    further = n - BASE
    firsts = np.array(grams[: max(len(grams) - further, 0)], dtype=np.uint64)
    lasts = np.array(grams[further:], dtype=np.uint64)
    return firsts * np.uint64(0x9E3779B97F4A7C15) + lasts


def _hash(words: str) -> int:
    return int.from_bytes(hashlib.blake2b(words.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 1
