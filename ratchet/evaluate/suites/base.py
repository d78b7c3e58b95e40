"""What a suite is: how the files of a published benchmark become questions, how an answer is marked, what is counted.

    files --load--> Question --prepare--> Item (in the store, pictures in packs) --model--> text --mark--> Mark --metrics--> figures

Everything here is pure and knows no model. A suite is one value of `Suite`; `catalogue.SUITES` holds them all by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ratchet.artifacts.columns import RowSchema
from ratchet.errors import PromptSetError
from ratchet.records import Prompt, Record

if TYPE_CHECKING:
    from ratchet.evaluate.suites.folder import Folder

Family = Literal["hallucination", "maths", "knowledge", "spatial", "multi-image", "text", "verifier"]
SuiteFigures = dict[str, float | int | dict[str, Any] | None]
"""Metrics by name, shares in 0..1 unless the suite's own scale says otherwise; a dict holds those of one part (a category,
a subtask). None: not defined (0 of 0)."""


DrawnSplit = Literal["validation", "holdout", "report", "shown"]


class FileProblem(PromptSetError):
    """A benchmark's file is missing, or is not in the format that it was published in."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a procedural suite is asked to draw.

    `n` questions at most, and never part of a unit; the same salt, split, size and parts make the same questions in the same
    order, and a smaller `n` makes the first of them. A round's salt makes items that nobody has seen. Splits never share a
    random seed: `holdout` for the gate, `validation` for what steers data (weakness), `report` for what is published, `shown`
    for people to look at. `size` is the pictures' side in pixels, one of the suite's `sizes`; None: the first of them.
    """

    n: int
    salt: str
    size: int | None = None
    parts: tuple[str, ...] = ()
    split: DrawnSplit = "holdout"


@dataclass(frozen=True, slots=True)
class Question:
    """One question as a loader yields it.

    `key` is the benchmark's own id, unique within the suite. `pictures` are encoded bytes, in order, at least one. `text` is
    the whole prompt that the model reads, options included. `category` is what the suite reports by. `unit` names items that
    are scored together (a pair, a figure, the turns of one multiple-choice question). `facts` are JSON-able and all that
    `mark` and `metrics` need beside the reference. `cluster`: items with the same one are not independent; None: the
    first picture's hash.
    """

    key: str
    text: str
    pictures: tuple[bytes, ...]
    reference: str | None
    category: str
    unit: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    cluster: str | None = None
    difficulty: float | None = None
    system: str | None = None


class Item(Record):
    """One question of a prepared suite. `facts` is JSON; `prompt.skill` is the category, `prompt.split_key` the cluster."""

    key: str
    prompt: Prompt
    unit: str | None = None
    facts: str = "{}"


ITEMS = RowSchema("suite-items", 1, Item)


class Mark(NamedTuple):
    """What an answer is worth.

    `score` is 0..1, None where it could not be decided (the judge failed): excluded and counted, never 0. `said` is what was
    read off the answer, None where nothing could be read (unparsed, which counts as wrong wherever the benchmark does so).
    `counts` are what the suite's own metrics add up (CHAIR: mentioned, hallucinated).
    """

    score: float | None
    said: str | None = None
    reason: str = ""
    counts: Mapping[str, float] = {}

    @property
    def correct(self) -> bool | None:
        """Whether the answer has the full score."""
        return None if self.score is None else self.score >= 1.0


class Asked(NamedTuple):
    """What marking reads of an item."""

    key: str
    category: str
    reference: str | None
    facts: Mapping[str, Any]
    question: str = ""


@dataclass(frozen=True, slots=True)
class Marked:
    """One item with its mark: a row of what `metrics` reads."""

    key: str
    category: str
    unit: str | None
    cluster: str
    reference: str | None
    facts: Mapping[str, Any]
    mark: Mark


@dataclass(frozen=True, slots=True)
class Judged:
    """How a judge scores an answer: `ask` makes what it is asked, `read` its reply into a mark (score None: unreadable).

    `version` changes with either: scores of different judges, prompts or settings are never compared.
    """

    ask: Callable[[Asked, str], str]
    read: Callable[[Asked, str], Mark]
    version: str
    shows_pictures: bool = False
    system: str | None = None


@dataclass(frozen=True, slots=True)
class Suite:
    """One benchmark.

    `needs` says in words which files a folder must hold; `format` cites where that format is read by others; `paper` is
    where metric and prompt come from. `load` raises FileProblem that names the file, the row and the rule. `mark` gets
    (item, answer). `metrics` reads all marked items once, in any order. `primary` is the key in its result that stands for the
    suite, is better when `higher`, and is `top` at most: 1 for a share. `parts` are the variants that a recipe can choose among (POPE: random, popular,
    adversarial); `load` gets those chosen, all where none are. `version` changes with `mark` and `metrics`: figures of two versions
    are never compared, nor is one kept for the other.

    A suite has either `load`, for files, or `draw`, which needs none: questions without end, whose answers are known because
    the pictures were drawn for them, in the `sizes` that it offers. `ratchet evaluate suite spatial --items 400 --size 64`, or
    `evaluate.suites: [{name: spatial, items: 400, size: 64}]`, where the salt is the round's.
    """

    name: str
    title: str
    family: Family
    measures: str
    paper: str
    needs: str
    format: str
    primary: str
    metrics: Callable[[Iterable[Marked]], SuiteFigures]
    load: Callable[[Folder, tuple[str, ...]], Iterator[Question]] | None = None
    draw: Callable[[Drawing], Iterator[Question]] | None = None
    sizes: tuple[int, ...] = ()
    mark: Callable[[Asked, str], Mark] | None = None
    judged: Judged | None = None
    parts: tuple[str, ...] = ()
    max_new_tokens: int = 32
    higher: bool = True
    top: float = 1.0
    version: str = "1"

    def __post_init__(self) -> None:
        if (self.mark is None) == (self.judged is None):
            raise ValueError(f"suite {self.name}: give either mark or judged, the one way in which it is scored")
        if (self.load is None) == (self.draw is None):
            raise ValueError(f"suite {self.name}: give either load, for files, or draw, the one way to its questions")
        if (self.draw is None) == bool(self.sizes):
            raise ValueError(f"suite {self.name}: sizes are what draw can draw; give both or neither")
