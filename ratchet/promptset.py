"""A prompt set: prompts and pictures, split once into pool, validation, holdout and report."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ratchet import canonical
from ratchet.artifacts import PROMPTS, Artifact, ArtifactWriter, Header, Manifest, Pack, RowSchema
from ratchet.errors import NotFound, PromptSetError
from ratchet.records import Prompt, Record
from ratchet.store import Store

SET_FILE = "set.json"
FORGOTTEN = "forgotten"
"""Folder of pictures that must not come back: one small object each, its name the picture's SHA-256."""
SHARES: Mapping[str, float] = {"pool": 0.7, "validation": 0.05, "holdout": 0.15, "report": 0.1}
SPLIT_NAMES = tuple(SHARES)
SHARD_ROWS = 2000


class Fingerprint(Record):
    """What decontamination knows of a holdout or report prompt: hashes, never the row itself.

    `ngrams` are those of eight words each of question and reference, in order; only beside a prompt's first picture. From them
    follow all longer ones, and none can be turned back into words as single words' hashes could.
    """

    prompt_id: str
    image_sha256: str
    image_phash: str
    question_sha256: str
    ngrams: tuple[int, ...] = ()


FINGERPRINTS = RowSchema("fingerprints", 2, Fingerprint)


class PromptSet(Record):
    """The index of a prompt set at `prompts/<digest>/set.json`. `parts` maps a split to its artifact's URI."""

    name: str
    digest: str
    source: str
    salt: str
    parts: dict[str, str]
    rows: dict[str, int]
    fingerprints: str | None
    family: str


def split_of(split_key: str, salt: str, shares: Mapping[str, float] = SHARES) -> str:
    """The split that a key falls into: the same for ever, whatever else is in the set.

    The key's salted hash is a number in 0..1, compared with the cumulated shares.
    """
    place = int.from_bytes(hashlib.sha256(f"{salt}:{split_key}".encode()).digest()[:8], "big") / 2**64
    total = sum(shares.values())
    bound = 0.0
    for name, share in shares.items():
        bound += share / total
        if place < bound:
            return name
    return list(shares)[-1]


def set_prefix(digest: str) -> str:
    return f"prompts/{digest[:32]}"


def find(store: Store, digest: str) -> PromptSet | None:
    """The prompt set with this digest, or None where it was not finished."""
    try:
        return PromptSet.model_validate_json(store.get(f"{set_prefix(digest)}/{SET_FILE}"))
    except NotFound:
        return None


def forgotten(store: Store) -> frozenset[str]:
    """SHA-256 of the pictures that people have taken out, and that no import brings back."""
    keys = (store.key(stat.uri) for stat in store.list(f"{FORGOTTEN}/"))
    return frozenset(key.removeprefix(f"{FORGOTTEN}/").removesuffix(".json") for key in keys)


def complete_sets(store: Store) -> Iterator[PromptSet]:
    """Every prompt set under the root that was finished, in the order of their places."""
    for stat in store.list("prompts/"):
        key = store.key(stat.uri)
        if key.endswith(f"/{SET_FILE}"):
            yield PromptSet.model_validate_json(store.get(key))


def open_set(store: Store, given: str) -> PromptSet:
    """A prompt set by digest (or its first digits), name, or URI. Raises PromptSetError listing what there is."""
    found = [
        one
        for one in complete_sets(store)
        if given in (one.name, one.digest, store.uri(set_prefix(one.digest)))
        or (len(given) >= 6 and one.digest.startswith(given))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise PromptSetError(
            f"{given!r} names {len(found)} prompt sets ({', '.join(f.digest[:12] for f in found)}); give a digest."
        )
    raise PromptSetError(
        f"no prompt set {given!r} under {store.root}. Make one with `ratchet import`, or use source: tinyworld."
    )


def open_part(store: Store, prompts: PromptSet, split: str) -> Artifact[Prompt]:
    """One split of a set, opened for reading."""
    uri = prompts.parts.get(split)
    if uri is None:
        raise PromptSetError(f"prompt set {prompts.name} has no {split} split (it has {', '.join(prompts.parts)}).")
    return Artifact.open(store, uri, PROMPTS)


class PromptSetWriter:
    """Writes a set: parts first, fingerprints next, `set.json` last. Started again, it finishes what is missing."""

    def __init__(
        self, store: Store, *, name: str, digest: str, source: str, salt: str, family: str | None = None
    ) -> None:
        self.store = store
        self.name, self.digest, self.source, self.salt = name, digest, source, salt
        self.family = family or digest
        self.prefix = set_prefix(digest)
        self._parts: dict[str, Manifest] = {}

    def write_part(self, split: str, prompts: Iterable[Prompt], packs: Sequence[Pack]) -> Manifest:
        """Write one split as an artifact of prompts that names its image packs."""
        writer = ArtifactWriter(self.store, f"{self.prefix}/{split}", PROMPTS, Header(stage="import", key=self.digest))
        manifest = writer.existing()
        if manifest is None:
            rows: list[Prompt] = []
            index = 0
            for prompt in prompts:
                rows.append(prompt)
                if len(rows) == SHARD_ROWS:
                    writer.write(index, rows)
                    rows, index = [], index + 1
            if rows:
                writer.write(index, rows)
            manifest = writer.commit(packs=packs)
        self._parts[split] = manifest
        return manifest

    def finish(self, fingerprints: Iterable[Fingerprint]) -> PromptSet:
        """Write the fingerprints of holdout and report, then the index."""
        writer = ArtifactWriter(
            self.store, f"{self.prefix}/fingerprints", FINGERPRINTS, Header(stage="import", key=self.digest)
        )
        manifest = writer.existing()
        if manifest is None:
            writer.write(0, fingerprints)
            manifest = writer.commit()
        made = PromptSet(
            name=self.name,
            digest=self.digest,
            source=self.source,
            salt=self.salt,
            parts={split: m.uri for split, m in self._parts.items()},
            rows={split: m.rows for split, m in self._parts.items()},
            fingerprints=manifest.uri,
            family=self.family,
        )
        self.store.put(f"{self.prefix}/{SET_FILE}", canonical.pretty(made.model_dump(mode="json")))
        return made
