"""Fingerprints of held-out prompts, and the fence that keeps what they describe out of training."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from ratchet.artifacts import Artifact
from ratchet.artifacts.columns import paused_gc
from ratchet.errors import PromptSetError, RoundError
from ratchet.filter import ngrams, reasons
from ratchet.filter.inputs import evaluation_sets
from ratchet.filter.near import NearIndex
from ratchet.filter.phash import Bank, Hashes
from ratchet.promptset import FINGERPRINTS, Fingerprint, find
from ratchet.records import Prompt
from ratchet.rounds import Round
from ratchet.store import Store
from ratchet.verify.text import normalise

_READ_AT_ONCE = 4096


def question_sha256(prompt: Prompt) -> str:
    """Hash of the normalised question: case, blanks and final punctuation do not make another one."""
    return hashlib.sha256(normalise(prompt.question).encode("utf-8", "surrogatepass")).hexdigest()


def fingerprints_of(prompts: Iterable[Prompt], bank: Bank) -> Iterator[Fingerprint]:
    """One fingerprint for each picture of each prompt."""
    hashes = Hashes(bank)
    for prompt in prompts:
        question = question_sha256(prompt)
        for place, image in enumerate(prompt.images):
            yield Fingerprint(
                prompt_id=prompt.id,
                image_sha256=image.sha256,
                image_phash=f"{hashes.of(image.sha256):016x}",
                question_sha256=question,
                ngrams=ngrams.eights(prompt) if place == 0 else (),
            )


class Fence:
    """Says why a prompt must not be learned from. Knows hashes only; it never opens a holdout or report row."""

    def __init__(
        self,
        fingerprints: Iterable[Fingerprint],
        near_bits: int | None = None,
        ngram: int | None = None,
        near_scope: Literal["question", "any"] = "question",
    ) -> None:
        self._near_scope = near_scope
        self._prompts: set[str] = set()
        self._pictures: set[str] = set()
        self._ngrams = ngrams.Met(ngram) if ngram is not None else None
        self._near = None if near_bits is None else NearIndex(near_bits)
        for one in fingerprints:
            self._prompts.add(one.prompt_id)
            self._pictures.add(one.image_sha256)
            if self._near is not None:
                self._near.add(self._near_key(one.question_sha256), [int(one.image_phash, 16)])
            if self._ngrams is not None:
                self._ngrams.add(one.ngrams)

    def reason(self, prompt: Prompt, question: str, hashes: Sequence[int]) -> str | None:
        """`question` is the prompt's question_sha256; `hashes` its pictures' perceptual ones, where they are needed."""
        if prompt.id in self._prompts:
            return reasons.HELD_OUT_PROMPT
        if any(image.sha256 in self._pictures for image in prompt.images):
            return reasons.HELD_OUT_PICTURE
        if self._near is not None and any(self._near.has(self._near_key(question), [one]) for one in hashes):
            return reasons.HELD_OUT_NEAR
        if self._ngrams is not None and self._ngrams.shares(ngrams.eights(prompt)):
            return reasons.HELD_OUT_NGRAM
        return None

    def _near_key(self, question: str) -> int:
        """Pictures under one key are compared."""
        return key_of(question) if self._near_scope == "question" else 0


def key_of(sha256: str, more: int = 0) -> int:
    """A number for the first 64 bits of a hash and a small number beside it."""
    return int(sha256[:16], 16) ^ more


def fence_of(store: Store, opened: Round) -> Fence:
    """The fence around what the round must not learn: the fingerprints of its prompt set, of the one it reports on, and of
    the evaluation sets that its recipe names."""
    config = opened.recipe.filter
    others = (one.digest for one in evaluation_sets(store, config.decontaminate_against))
    digests = dict.fromkeys((opened.prompts, opened.report, *others))
    prints = (one for digest in digests for one in _read(store, digest))
    return Fence(prints, config.decontaminate_near_bits, config.decontaminate_ngram, config.decontaminate_near_scope)


def _read(store: Store, digest: str) -> Iterator[Fingerprint]:
    found = find(store, digest)
    if found is None:
        raise RoundError(
            f"prompt set {digest[:12]} is not complete under {store.root}; `ratchet resume` runs begin again, which finishes it."
        )
    if found.fingerprints is None:
        raise PromptSetError(
            f"prompt set {found.name} has no fingerprints to decontaminate against; import it again, or set filter.decontaminate: false."
        )
    for table in Artifact.open(store, found.fingerprints, FINGERPRINTS).tables():
        for start in range(0, table.num_rows, _READ_AT_ONCE):
            with paused_gc():
                yield from FINGERPRINTS.rows(table.slice(start, _READ_AT_ONCE))
