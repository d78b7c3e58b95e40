"""A benchmark's files become an artifact of items at `suites/<name>/<digest>/`: read twice, kept once.

The digest is over what the questions say and show and the suite's version, not over files: the same questions from Parquet and from JSON lines, from a
folder and from S3, are the same artifact. The first reading finds it; the second writes pictures and items, where they are not
there yet. One shard of items and one pack of pictures are in memory at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from ratchet import canonical
from ratchet.artifacts import Artifact, ArtifactWriter, Header, ImageBank, Manifest, Pack, write_pack
from ratchet.artifacts.images import ref_of
from ratchet.artifacts.manifest import MANIFEST
from ratchet.errors import PromptSetError, RecipeError
from ratchet.evaluate.suites.base import ITEMS, Drawing, DrawnSplit, FileProblem, Item, Question, Suite
from ratchet.evaluate.suites.folder import open_folder
from ratchet.recipe import SuiteConfig
from ratchet.records import ImageRef, Message, Prompt
from ratchet.store import Store

FOLDER = "suites"
SHARD_ROWS = 2000
PACK_BYTES = 64 << 20
DIGEST_DIGITS = 32


@dataclass(frozen=True)
class Prepared:
    """A suite whose items are in the store."""

    suite: Suite
    digest: str
    store: Store
    artifact: Artifact[Item]

    @property
    def manifest(self) -> Manifest:
        return self.artifact.manifest

    @property
    def bank(self) -> ImageBank:
        """Its pictures."""
        return ImageBank(self.store, self.manifest.packs)


@dataclass(frozen=True)
class Origin:
    """Where questions come from: the files or the draw that `chosen` names. Draws depend on salt and split; files do not."""

    suite: Suite
    chosen: SuiteConfig
    salt: str = ""
    split: DrawnSplit = "holdout"

    def questions(self) -> Iterator[Question]:
        """The questions as they come. Raises RecipeError for what the suite does not have."""
        self.check()
        for question in self._made():
            if not question.pictures:
                raise FileProblem(f"{self}: question {question.key!r} shows no picture.")
            yield question

    def _made(self) -> Iterator[Question]:
        suite, chosen = self.suite, self.chosen
        if suite.load is not None:
            assert chosen.source is not None, "checked"
            return suite.load(open_folder(chosen.source), chosen.parts)
        assert suite.draw is not None, "one of both"
        assert chosen.items is not None, "checked"
        return suite.draw(Drawing(chosen.items, self.salt, chosen.size, chosen.parts, self.split))

    def check(self) -> None:
        """Raise RecipeError for what the suite does not have."""
        suite, chosen = self.suite, self.chosen
        unknown = sorted(set(chosen.parts) - set(suite.parts))
        if unknown:
            there = ", ".join(suite.parts) or "none"
            raise RecipeError(f"{suite.name} has no part {', '.join(unknown)}; there are: {there}.")
        if suite.load is not None and chosen.source is None:
            raise RecipeError(f"{suite.name} reads files; give its source ({suite.needs}) in place of items.")
        if suite.draw is not None and chosen.items is None:
            raise RecipeError(f"{suite.name} draws its questions; say how many (items) in place of a source.")
        if chosen.size is not None and chosen.size not in suite.sizes:
            sizes = ", ".join(map(str, suite.sizes))
            raise RecipeError(f"{suite.name} does not draw pictures of {chosen.size} pixels; its sizes are {sizes}.")

    def __str__(self) -> str:
        return f"{self.suite.title} from {self.chosen.source or 'its draw'}"


class _Line(NamedTuple):
    """What the first reading keeps of a question."""

    key: str
    group: str
    digest: bytes


@dataclass(frozen=True)
class Survey:
    """What a first reading found: the digest, and the keys that are taken, in the order of the files."""

    digest: str
    keys: frozenset[str]


def prepare(store: Store, origin: Origin) -> Prepared:
    """Bring a suite's questions into the store; quick when the same questions are there already.

    `limit` takes about so many of them, those that are scored together always together, by a draw that is the same each
    time. Raises FileProblem for a wrong file, a key that comes twice, a picture that cannot be read and for no question at
    all; RecipeError for what the suite does not have.
    """
    found = survey(origin)
    prefix = prefix_of(origin.suite.name, found.digest)
    if not store.exists(f"{prefix}/{MANIFEST}"):
        _Writing(store, origin, prefix, found).write()
    return opened(store, origin.suite, found.digest)


def opened(store: Store, suite: Suite, digest: str) -> Prepared:
    """A suite that was prepared. Raises ManifestMissing where it was not."""
    return Prepared(suite, digest, store, Artifact(store, prefix_of(suite.name, digest), ITEMS))


def prefix_of(name: str, digest: str) -> str:
    """Where a prepared suite lies."""
    return f"{FOLDER}/{name}/{digest[:DIGEST_DIGITS]}"


def survey(origin: Origin) -> Survey:
    """Read or draw the questions once, pictures included, and keep hashes only. Raises as `prepare` does."""
    lines: list[_Line] = []
    known: set[str] = set()
    for question in origin.questions():
        if question.key in known:
            raise FileProblem(
                f"{origin}: question {question.key!r} comes twice; a key names one question. Keep one of the two."
            )
        known.add(question.key)
        group = question.unit or question.cluster or question.key
        lines.append(_Line(question.key, group, _digest_of(question)))
    if not lines:
        of = f" of the parts {', '.join(origin.chosen.parts)}" if origin.chosen.parts else ""
        raise FileProblem(f"{origin}: there is no question{of}; it needs {origin.suite.needs}.")
    suite, limit = origin.suite, origin.chosen.limit
    taken = lines if limit is None or limit >= len(lines) else _drawn(lines, limit)
    body = canonical.digest([suite.name, suite.version, ITEMS.version, [line.digest.hex() for line in taken]])
    return Survey(body, frozenset(line.key for line in taken))


def _drawn(lines: Sequence[_Line], limit: int) -> list[_Line]:
    """Whole groups in the order of their hashes, as long as they fit; at least one."""
    sizes: dict[str, int] = {}
    for line in lines:
        sizes[line.group] = sizes.get(line.group, 0) + 1
    taken: set[str] = set()
    room = limit
    for group in sorted(sizes, key=lambda name: hashlib.sha256(name.encode()).digest()):
        if sizes[group] <= room or not taken:
            taken.add(group)
            room -= sizes[group]
    return [line for line in lines if line.group in taken]


def _digest_of(question: Question) -> bytes:
    body = [
        question.key,
        question.text,
        [canonical.sha256(picture) for picture in question.pictures],
        question.reference,
        question.category,
        question.unit,
        dict(question.facts),
        question.cluster,
        question.difficulty,
        question.system,
    ]
    try:
        written = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise FileProblem(
            f"question {question.key!r} holds what JSON cannot ({error}); a loader gives text and numbers."
        ) from error
    return hashlib.sha256(written).digest()


class _Writing:
    """The second reading. Killed, it begins again and writes the same bytes."""

    def __init__(self, store: Store, origin: Origin, prefix: str, found: Survey) -> None:
        self._store, self._origin, self._prefix, self._found = store, origin, prefix, found
        self._suite = origin.suite
        self._refs: dict[str, ImageRef] = {}
        self._here: dict[str, bytes] = {}
        self._packs: list[Pack] = []

    def write(self) -> Manifest:
        config = self._origin.chosen.model_dump(
            mode="json", include={"name", "source", "items", "size", "parts", "limit"}
        )
        header = Header(stage="suite", key=self._found.digest, config=config)
        writer = ArtifactWriter(self._store, self._prefix, ITEMS, header)
        rows: list[Item] = []
        index = 0
        for question in self._origin.questions():
            if question.key in self._found.keys:
                rows.append(self._item(question))
            if len(rows) == SHARD_ROWS:
                writer.write(index, rows)
                rows, index = [], index + 1
        if rows:
            writer.write(index, rows)
        self._flush()
        return writer.commit(counts={"pictures": len(self._refs)}, packs=self._packs)

    def _item(self, question: Question) -> Item:
        system = [Message(role="system", content=question.system)] if question.system else []
        images = [self._picture(question, data) for data in question.pictures]
        prompt = Prompt.make(
            messages=[*system, Message(role="user", content=question.text)],
            images=images,
            reference=question.reference,
            skill=question.category,
            difficulty=question.difficulty,
            source=f"suite:{self._suite.name}",
            split_key=question.cluster,
        )
        facts = orjson.dumps(dict(question.facts), option=orjson.OPT_SORT_KEYS).decode()
        return Item(key=question.key, prompt=prompt, unit=question.unit, facts=facts)

    def _picture(self, question: Question, data: bytes) -> ImageRef:
        sha256 = canonical.sha256(data)
        known = self._refs.get(sha256)
        if known is not None:
            return known
        try:
            ref = self._refs[sha256] = ref_of(data)
        except PromptSetError as error:
            raise FileProblem(f"{self._suite.title} question {question.key!r}: {error}") from error
        self._here[sha256] = data
        if sum(map(len, self._here.values())) > PACK_BYTES:
            self._flush()
        return ref

    def _flush(self) -> None:
        if self._here:
            key = f"{self._prefix}/images/{len(self._packs):05d}.parquet"
            self._packs.append(write_pack(self._store, key, self._here.items()))
            self._here = {}
