"""The first pass: read every row once, and write what becomes of it to two files on this machine.

Only counts and what joins rows stay in memory; prompts, rejects and the names met go to disk, picture bytes are let go.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from ratchet import canonical
from ratchet.importing.formats import read_rows
from ratchet.importing.met import Met
from ratchet.importing.options import ImportOptions, Reject, RowRefused
from ratchet.importing.pictures import Pictures, Seen
from ratchet.importing.row import Draft, RowReader
from ratchet.importing.splits import Clusters, Splitter
from ratchet.importing.tables import RawRow, Source
from ratchet.records import Prompt
from ratchet.verify import self_check
from ratchet.verify.environments import for_prompts

T = TypeVar("T")
U = TypeVar("U")

THREADS = 8
WINDOW = 32
RAW_CHARACTERS = 500
NAMED = for_prompts(None)
"""Verifiers that rows may name."""
IDENTITY = {"file", "row", "id", "reason"}


def in_threads(function: Callable[[T], U], items: Iterable[T]) -> Iterator[U]:
    """Results in the items' order, at most WINDOW of them ahead: fetching and unpacking pictures wait for one another."""
    with ThreadPoolExecutor(THREADS) as threads:
        waiting: deque[Future[U]] = deque()
        try:
            for item in items:
                waiting.append(threads.submit(function, item))
                if len(waiting) == WINDOW:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class Survey:
    """What the first pass learned. `accepted` and `rejects` are JSON lines."""

    def __init__(
        self, source: Source, options: ImportOptions, folder: Path, forgotten: frozenset[str] = frozenset()
    ) -> None:
        self.source, self.options = source, options
        self.accepted = folder / "accepted.jsonl"
        self.rejects = folder / "rejects.jsonl"
        pictures = Pictures(source, options.max_pixels, remember=not options.pictures, forgotten=forgotten)
        self.reader = RowReader(options, pictures)
        self.clusters = Clusters()
        self.splitter = Splitter(options)
        self.rows_read = 0
        self.rejected: Counter[str] = Counter()
        self.named: Counter[str] = Counter()
        self.guessed: Counter[str] = Counter()
        self.images = 0
        self.notes: Counter[str] = Counter()
        self.hidden = 0
        self.several: tuple[int, str] = (0, "")
        self.unlicensed = 0
        self.moved = 0
        self.reject_digest = 0
        self._met = folder / "met.sqlite"

    def run(self) -> None:
        with (
            self.accepted.open("wb") as accepted,
            self.rejects.open("wb") as rejects,
            closing(Met(self._met)) as met,
        ):
            for row, outcome in in_threads(self._try, read_rows(self.source)):
                self.rows_read += 1
                self.hidden += row.hidden
                try:
                    if isinstance(outcome, RowRefused):
                        raise outcome
                    accepted.write(canonical.dumps(self._accept(outcome, met)) + b"\n")
                except RowRefused as refusal:
                    rejects.write(canonical.dumps(self._reject(row, refusal).model_dump()) + b"\n")

    def rows(self) -> Iterator[dict[str, Any]]:
        """Accepted rows, each with its prompt, row and own split."""
        with self.accepted.open("rb") as file:
            for line in file:
                yield canonical.loads(line)

    def prompts(self) -> Iterator[tuple[str, Prompt]]:
        """Split and prompt of every accepted row, with its split key."""
        for row in self.rows():
            key = self.cluster_of(row)
            yield self.splitter.settle(key), Prompt.model_validate({**row["prompt"], "split_key": key})

    def cluster_of(self, row: dict[str, Any]) -> str:
        """The split key of an accepted row."""
        return self.clusters.name(row["prompt"]["images"][0]["sha256"])

    def split_of(self, row: dict[str, Any]) -> str:
        """The split of an accepted row, once all are placed."""
        return self.splitter.settle(self.cluster_of(row))

    def _try(self, row: RawRow) -> tuple[RawRow, Draft | RowRefused]:
        try:
            draft = self.reader.draft(row)
            if not self.options.pictures:
                check(draft)
        except RowRefused as refusal:
            return row, refusal
        return row, draft

    def _accept(self, draft: Draft, met: Met) -> dict[str, Any]:
        """Take a draft into the set. Raises RowRefused for what only the rows before it show."""
        self.splitter.targets(draft.split)
        where = f"row {draft.row.number} of {draft.row.table.name}"
        prompt = draft.prompt
        if draft.id is not None and (known := met.place("id", draft.id)) is not None:
            raise RowRefused("duplicate_id", f"id {draft.id!r} is also that of {known}; the first is kept.")
        if (known := met.place("prompt", prompt.id)) is not None:
            raise RowRefused("duplicate_prompt", f"{known} asks the same about the same pictures; the first is kept.")
        if draft.id is not None:
            met.add("id", draft.id, where)
        met.add("prompt", prompt.id, where)
        self._count(draft)
        self.clusters.add(draft.key, (p.ref.sha256 for p in draft.pictures))
        return {
            "prompt": prompt.model_dump(mode="json"),
            "file": draft.row.table.name,
            "row": draft.row.number,
            "id": draft.id,
            "split": draft.split,
            "sizes": [self._meet(picture, met) for picture in draft.pictures],
        }

    def _meet(self, picture: Seen, met: Met) -> int | None:
        """The picture's size where this row is the first that shows it."""
        if not met.add("picture", picture.ref.sha256):
            return None
        self.images += 1
        self.notes.update(picture.notes)
        return picture.size

    def _count(self, draft: Draft) -> None:
        (self.guessed if draft.guessed else self.named).update(draft.prompt.verifiers)
        self.unlicensed += draft.prompt.licence is None
        if len(draft.pictures) > 1:
            count, first = self.several
            self.several = count + 1, first or f"{draft.row.name or draft.row.number} of {draft.row.table.name}"

    def _reject(self, row: RawRow, refusal: RowRefused) -> Reject:
        self.rejected[refusal.reason] += 1
        reject = Reject(
            file=_clean(row.table.name),
            row=row.number,
            id=None if (own := self.reader.id_of(row)) is None else _clean(own),
            reason=refusal.reason,
            detail=_clean(refusal.detail),
            raw=_clean(repr(_shortened(row.values)))[:RAW_CHARACTERS],
        )
        self.reject_digest = (
            self.reject_digest + canonical.rows_hash([reject.model_dump(include=IDENTITY)])
        ) % canonical.ROW_MODULUS
        return reject


def check(draft: Draft) -> None:
    """Raise RowRefused where no verifier could ever accept an answer, or could not reject one."""
    prompt = draft.prompt
    if not prompt.verifiers:
        raise RowRefused(
            "no_reference", "the row has no answer to check against; give one, or name verifiers that need none."
        )
    unknown = [name for name in prompt.verifiers if name not in NAMED]
    if unknown:
        raise RowRefused("unknown_verifier", f"no verifier {unknown[0]!r}; known: {', '.join(sorted(NAMED))}.")
    complaint = self_check(prompt, NAMED)
    if complaint is not None:
        raise RowRefused("bad_reference", complaint)


def _shortened(value: Any) -> Any:
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, str):
        return value[:RAW_CHARACTERS]
    if isinstance(value, dict):
        return {str(k)[:RAW_CHARACTERS]: _shortened(v) for k, v in list(value.items())[:40]}
    if isinstance(value, list):
        return [_shortened(v) for v in value[:20]]
    return value


def _clean(text: str) -> str:
    """Text that JSON can hold: a lone surrogate (a byte that is not UTF-8) becomes a question mark."""
    return text.encode(errors="replace").decode()
