"""Which of a suite's items the pool shows as well: the same question, a picture that is or looks the same, many words in a row.

COCO is in POPE, in CHAIR and in most pools. The words that a benchmark puts to every question are its prompt, not its content: a
run of words that more than one in twenty of its items have is not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

from ratchet import canonical
from ratchet.artifacts import Artifact, ImageBank
from ratchet.errors import NotFound
from ratchet.evaluate.suites.base import Item
from ratchet.evaluate.suites.preparing import Prepared, prefix_of
from ratchet.filter.near import NearIndex
from ratchet.filter.ngrams import eights, longer
from ratchet.filter.phash import Hashes
from ratchet.recipe import ContaminationConfig
from ratchet.records import Prompt

VERSION = 1
PROMPT, PICTURE, NEAR, WORDS = "prompt", "picture", "near_picture", "words"
COMMON = 20
"""A run of words that more than one in so many items have is the benchmark's own prompt."""
FEWEST = 3


class Pool:
    """What the pool shows: ids, pictures, their perceptual hashes, and its runs of words."""

    def __init__(self, prompts: Iterable[Prompt], bank: ImageBank, config: ContaminationConfig) -> None:
        self._config = config
        self._prompts: set[str] = set()
        self._pictures: set[str] = set()
        self._near = None if config.near_bits is None else NearIndex(config.near_bits)
        self._hashes = Hashes(bank)
        runs: list[np.ndarray] = []
        for prompt in prompts:
            self._prompts.add(prompt.id)
            self._add(prompt)
            if config.ngram is not None:
                runs.append(longer(eights(prompt), config.ngram))
        self._runs = np.unique(np.concatenate(runs)) if runs else np.zeros(0, np.uint64)

    def _add(self, prompt: Prompt) -> None:
        for image in prompt.images:
            if image.sha256 not in self._pictures:
                self._pictures.add(image.sha256)
                if self._near is not None:
                    self._near.add(0, [self._hashes.of(image.sha256)])

    def shows(self, item: Item, hashes: Hashes, common: frozenset[int]) -> str | None:
        """How the pool shows the item; None where it does not."""
        prompt = item.prompt
        if prompt.id in self._prompts:
            return PROMPT
        if any(image.sha256 in self._pictures for image in prompt.images):
            return PICTURE
        near = self._near
        if near is not None and any(near.has(0, [hashes.of(image.sha256)]) for image in prompt.images):
            return NEAR
        return WORDS if self._says(prompt, common) else None

    def _says(self, prompt: Prompt, common: frozenset[int]) -> bool:
        if self._config.ngram is None or not self._runs.size:
            return False
        own = [run for run in longer(eights(prompt), self._config.ngram).tolist() if run not in common]
        return bool(np.isin(np.array(own, dtype=np.uint64), self._runs).any())


def contaminated(prepared: Prepared, pool: Artifact[Prompt], config: ContaminationConfig) -> dict[str, str]:
    """How the pool shows each item that it shows, by key. Found once for a suite, a pool and a configuration, and kept."""
    what = canonical.digest([VERSION, pool.manifest.content_digest, config.model_dump(mode="json")])
    place = f"{prefix_of(prepared.suite.name, prepared.digest)}/contamination/{what[:24]}.json"
    try:
        kept: dict[str, str] = canonical.loads(prepared.store.get(place))
        return kept
    except NotFound:
        pass
    shown = Pool(pool.rows(), ImageBank(prepared.store, pool.manifest.packs), config)
    hashes, common = Hashes(prepared.bank), _common(prepared, config)
    found = {
        item.key: how for item in prepared.artifact.rows() if (how := shown.shows(item, hashes, common)) is not None
    }
    prepared.store.put(place, canonical.dumps(found))
    return found


def in_words(found: Mapping[str, str], items: int) -> dict[str, float | int | dict[str, int]]:
    """Share and number of items that the pool shows, and how many in which way."""
    share = round(len(found) / items, 6) if items else 0.0
    return {"share": share, "items": len(found), "by": dict(sorted(Counter(found.values()).items()))}


def _common(prepared: Prepared, config: ContaminationConfig) -> frozenset[int]:
    if config.ngram is None:
        return frozenset()
    counts: Counter[int] = Counter()
    for item in prepared.artifact.rows():
        counts.update(set(longer(eights(item.prompt), config.ngram).tolist()))
    most = max(prepared.manifest.rows // COMMON, FEWEST)
    return frozenset(run for run, n in counts.items() if n > most)
