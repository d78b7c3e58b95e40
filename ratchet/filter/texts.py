"""Near duplicates of text among the rows: what of a group is compared, and with which others."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence

import numpy as np

from ratchet.filter import reasons
from ratchet.filter.minhash import TextIndex
from ratchet.filter.shares import Codes
from ratchet.filter.shingles import shingle_sets
from ratchet.recipe import TextDedupConfig
from ratchet.records import Prompt
from ratchet.verify.text import normalise

_BATCH = 1024


class Texts:
    """The texts of rows that nothing else drops. A group without text (no answer is kept) is no duplicate."""

    def __init__(self, config: TextDedupConfig) -> None:
        self._config = config
        self._index = TextIndex(config.similarity)
        self._rows = array("I")
        self._waiting: list[tuple[str, int]] = []

    def add(self, row: int, prompt: Prompt, answers: Sequence[str]) -> None:
        """`answers` are the completions kept for imitation."""
        parts = {"question": [prompt.question], "answers": answers, "both": [prompt.question, *answers]}
        text = "\n".join(map(normalise, parts[self._config.of]))
        if not text:
            return
        self._rows.append(row)
        self._waiting.append((text, _scope(prompt) if self._config.scope == "pictures" else 0))
        if len(self._waiting) == _BATCH:
            self._take()

    def drop(self, codes: Codes) -> Codes:
        """Reason codes with the near duplicates of earlier rows dropped."""
        self._take()
        codes = codes.copy()
        rows = np.frombuffer(self._rows, dtype=np.uint32)
        if rows.size:
            codes[rows[self._index.duplicates()]] = reasons.CODES[reasons.NEAR_DUPLICATE_TEXT]
        return codes

    def _take(self) -> None:
        if self._waiting:
            self._index.add(
                shingle_sets([text for text, _ in self._waiting], self._config.shingle),
                [scope for _, scope in self._waiting],
            )
            self._waiting.clear()


def _scope(prompt: Prompt) -> int:
    body = "".join(image.sha256 for image in prompt.images)
    return int.from_bytes(hashlib.blake2b(body.encode(), digest_size=8).digest(), "big")
