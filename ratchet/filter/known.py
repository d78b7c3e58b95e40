"""What a prompt may be by itself: a duplicate of an earlier one, or held out. In order of the rows; first come, first kept."""

from __future__ import annotations

import hashlib

from ratchet.filter import reasons
from ratchet.filter.fingerprints import Fence, key_of, question_sha256
from ratchet.filter.near import NearIndex
from ratchet.filter.phash import Hashes
from ratchet.recipe import FilterConfig
from ratchet.records import Prompt


class Known:
    """Remembers the prompts that it was asked about. 100 bytes a prompt for exact duplicates."""

    def __init__(self, config: FilterConfig, fence: Fence | None, hashes: Hashes | None) -> None:
        self._fence, self._hashes = fence, hashes
        self._seen: set[bytes] | None = set() if config.dedup_exact else None
        self._near = NearIndex(config.dedup_near_bits) if config.dedup_near_bits is not None else None

    def reason(self, prompt: Prompt) -> str | None:
        """Why the prompt is dropped, None otherwise: duplicates of earlier rows first, then what is held out."""
        question = question_sha256(prompt)
        if self._seen is not None:
            key = content_key(prompt, question)
            if key in self._seen:
                return reasons.DUPLICATE
            self._seen.add(key)
        hashes = [self._hashes.of(image.sha256) for image in prompt.images] if self._hashes else []
        if self._near is not None:
            near_key = key_of(question, len(hashes))
            if self._near.has(near_key, hashes):
                return reasons.NEAR_DUPLICATE
            self._near.add(near_key, hashes)
        return self._fence.reason(prompt, question, hashes) if self._fence else None


def content_key(prompt: Prompt, question: str) -> bytes:
    """The same for the same pictures with the same question; so the same for one prompt id."""
    body = "".join([question, *(image.sha256 for image in prompt.images)])
    return hashlib.blake2b(body.encode(), digest_size=16).digest()
