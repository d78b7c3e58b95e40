"""The first pass: read every row once, and write what becomes of it to two files on this machine.

Only hashes, keys and counts stay in memory; accepted prompts and rejects go to disk, picture bytes are let go.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from ratchet import canonical
from ratchet.importing.formats import RawRow, read_rows
from ratchet.importing.options import ImportOptions, Reject, RowRefused
from ratchet.importing.pictures import Pictures
from ratchet.importing.row import Draft, RowReader
from ratchet.importing.source import Source
from ratchet.importing.splits import Clusters, Splitter
from ratchet.verify import VERIFIERS, self_check

T = TypeVar("T")
U = TypeVar("U")

THREADS = 8
WINDOW = 32
RAW_CHARACTERS = 500
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

    def __init__(self, source: Source, options: ImportOptions, folder: Path) -> None:
        self.source, self.options = source, options
        self.accepted = folder / "accepted.jsonl"
        self.rejects = folder / "rejects.jsonl"
        self.reader = RowReader(options, Pictures(source, options.max_pixels))
        self.clusters = Clusters()
        self.splitter = Splitter(options)
        self.rows_read = 0
        self.rejected: Counter[str] = Counter()
        self.named: Counter[str] = Counter()
        self.guessed: Counter[str] = Counter()
        self.pictures: dict[str, tuple[int, tuple[str, ...]]] = {}
        self.unlicensed = 0
        self.moved = 0
        self.reject_digest = 0
        self._ids: dict[str, str] = {}
        self._prompts: dict[str, str] = {}

    def run(self) -> None:
        with self.accepted.open("wb") as accepted, self.rejects.open("wb") as rejects:
            for row, outcome in in_threads(self._try, read_rows(self.source)):
                self.rows_read += 1
                try:
                    if isinstance(outcome, RowRefused):
                        raise outcome
                    accepted.write(canonical.dumps(self._accept(outcome)) + b"\n")
                except RowRefused as refusal:
                    rejects.write(canonical.dumps(self._reject(row, refusal).model_dump()) + b"\n")

    def rows(self) -> Iterator[dict[str, Any]]:
        """Accepted rows, each with its prompt, row and own split."""
        with self.accepted.open("rb") as file:
            for line in file:
                yield canonical.loads(line)

    def cluster_of(self, row: dict[str, Any]) -> str:
        """The split key of an accepted row."""
        return self.clusters.name(row["prompt"]["images"][0]["sha256"])

    def _try(self, row: RawRow) -> tuple[RawRow, Draft | RowRefused]:
        try:
            draft = self.reader.draft(row)
            check(draft)
        except RowRefused as refusal:
            return row, refusal
        return row, draft

    def _accept(self, draft: Draft) -> dict[str, Any]:
        """Take a draft into the set. Raises RowRefused for what only the rows before it show."""
        self.splitter.targets(draft.split)
        where = f"row {draft.row.number} of {draft.row.table.name}"
        if draft.id is not None and draft.id in self._ids:
            raise RowRefused(
                "duplicate_id", f"id {draft.id!r} is also that of {self._ids[draft.id]}; the first is kept."
            )
        prompt = draft.prompt
        if prompt.id in self._prompts:
            raise RowRefused(
                "duplicate_prompt",
                f"{self._prompts[prompt.id]} asks the same about the same pictures; the first is kept.",
            )
        if draft.id is not None:
            self._ids[draft.id] = where
        self._prompts[prompt.id] = where
        self._count(draft)
        self.clusters.add(draft.key, (p.ref.sha256 for p in draft.pictures))
        return {
            "prompt": prompt.model_dump(mode="json"),
            "file": draft.row.table.name,
            "row": draft.row.number,
            "id": draft.id,
            "split": draft.split,
        }

    def _count(self, draft: Draft) -> None:
        (self.guessed if draft.guessed else self.named).update(draft.prompt.verifiers)
        self.unlicensed += draft.prompt.licence is None
        for picture in draft.pictures:
            self.pictures.setdefault(picture.ref.sha256, (picture.size, picture.notes))

    def _reject(self, row: RawRow, refusal: RowRefused) -> Reject:
        self.rejected[refusal.reason] += 1
        reject = Reject(
            file=row.table.name,
            row=row.number,
            id=self.reader.id_of(row),
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
    unknown = [name for name in prompt.verifiers if name not in VERIFIERS]
    if unknown:
        raise RowRefused("unknown_verifier", f"no verifier {unknown[0]!r}; known: {', '.join(sorted(VERIFIERS))}.")
    complaint = self_check(prompt)
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
