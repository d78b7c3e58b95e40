"""Marks of answers, by a suite's own rule or by a judge, and the rows that its metrics read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from ratchet import canonical
from ratchet.errors import VerifierError
from ratchet.evaluate.suites.answers import spoken
from ratchet.evaluate.suites.base import Asked, Judged, Mark, Marked, Suite
from ratchet.records import ImageRef, Message
from ratchet.verify.judges.prompts import LONGEST, harmless

NOTHING: Mapping[str, Any] = {}
UNJUDGED = "unjudged"
TOO_LONG = "too_long"


@dataclass(frozen=True, slots=True)
class Told:
    """An item without its pictures: what marking and metrics read, and what a judge may be shown."""

    asked: Asked
    unit: str | None
    cluster: str
    prompt_id: str = ""
    images: tuple[ImageRef, ...] = ()

    def marked(self, mark: Mark) -> Marked:
        """The row that metrics read."""
        of = self.asked
        return Marked(of.key, of.category, self.unit, self.cluster, of.reference, of.facts, mark)


class Marker(Protocol):
    """Gives marks to answers, in their order. `identity` is None for a rule; else what pins the judge."""

    @property
    def identity(self) -> dict[str, Any] | None: ...

    def __call__(self, told: Sequence[Told], answers: Sequence[str]) -> list[Mark]: ...


def told_of(table: pa.Table, pictures: bool = False) -> Iterator[Told]:
    """The items of a table of ITEMS, read column by column: no record is built. `pictures`: with their references."""
    prompts = table.column("prompt").combine_chunks()
    columns = {name: prompts.field(name).to_pylist() for name in ("id", "skill", "reference", "split_key")}
    questions = _questions(prompts.field("messages"))
    images = prompts.field("images").to_pylist() if pictures else [()] * table.num_rows
    own = (table.column(name).to_pylist() for name in ("key", "unit", "facts"))
    kept: dict[str, str] = {}
    for key, unit, facts, id_, skill, reference, cluster, question, shown in zip(
        *own, *columns.values(), questions, images, strict=True
    ):
        asked = Asked(key, kept.setdefault(skill, skill), reference, facts_of(facts), question)
        yield Told(asked, unit, kept.setdefault(cluster, cluster), id_, tuple(ImageRef(**image) for image in shown))


def facts_of(written: str) -> Mapping[str, Any]:
    """An item's facts; the common empty ones are one object."""
    found: Mapping[str, Any] = NOTHING if written == "{}" else orjson.loads(written)
    return found


def _questions(messages: pa.ListArray) -> list[str]:
    """Each prompt's last turn, which is the user's in an item."""
    lasts = messages.flatten().take(pc.subtract(pc.cumulative_sum(messages.value_lengths()), 1))
    found: list[str] = lasts.field("content").to_pylist()
    return found


@dataclass(frozen=True)
class ByRule:
    """A suite's own marks."""

    suite: Suite

    @property
    def identity(self) -> dict[str, Any] | None:
        return None

    def __call__(self, told: Sequence[Told], answers: Sequence[str]) -> list[Mark]:
        return [self.one(item.asked, answer) for item, answer in zip(told, answers, strict=True)]

    def one(self, asked: Asked, answer: str) -> Mark:
        assert self.suite.mark is not None, "a suite that is judged has no marks of its own"
        return checked(self.suite, asked.key, self.suite.mark(asked, answer))


@dataclass(frozen=True)
class ByJudge:
    """A judge's marks. `judge` is `ratchet.verify.judges.Judge`, `who` its identity, `first` the suite's first item.

    `identity` pins judge, prompt and settings: marks with another one are never compared with these.
    """

    suite: Suite
    judge: Any
    who: Mapping[str, Any]
    first: Told

    @property
    def judged(self) -> Judged:
        assert self.suite.judged is not None, "a suite with marks of its own has no judge"
        return self.suite.judged

    @property
    def identity(self) -> dict[str, Any] | None:
        judged, params = self.judged, self.judge.params()
        shown = [judged.ask(self.first.asked, ""), judged.system, judged.shows_pictures, judged.version]
        return {
            "judge": dict(self.who),
            "prompt": canonical.digest(shown)[:16],
            "version": judged.version,
            "settings": params.model_dump(mode="json", exclude={"strategy"}),
        }

    def __call__(self, told: Sequence[Told], answers: Sequence[str]) -> list[Mark]:
        short = [place for place, answer in enumerate(answers) if len(answer) <= LONGEST]
        replies = self.judge.ask([self._question(told[place], answers[place]) for place in short])
        marks = [Mark(None, None, TOO_LONG)] * len(answers)
        for place, (reply, *_) in zip(short, replies, strict=True):
            marks[place] = self._read(told[place], reply)
        return marks

    def _question(self, item: Told, answer: str) -> Any:
        from ratchet.verify.judges import Question

        system = [Message(role="system", content=self.judged.system)] if self.judged.system else []
        # An answer may have been learned to please judges: it cannot speak as another role. Its marks are read before that.
        text = self.judged.ask(item.asked, harmless(spoken(answer)))
        shown = item.images if self.judged.shows_pictures else ()
        return Question((*system, Message(role="user", content=text)), shown)

    def _read(self, item: Told, reply: Any) -> Mark:
        if reply.error is not None:
            return Mark(None, None, UNJUDGED)
        return checked(self.suite, item.asked.key, self.judged.read(item.asked, reply.text))


def checked(suite: Suite, key: str, mark: Mark) -> Mark:
    """A mark whose numbers are numbers. Raises VerifierError: a score that is none must not sink into a mean."""
    score = mark.score
    if score is not None and not 0 <= score <= 1:  # also false for NaN
        raise VerifierError(
            f"{suite.name} item {key!r}: its score is {score}, and must lie in 0..1, or be none where nothing could be decided."
        )
    for name, value in mark.counts.items():
        if not math.isfinite(value):
            raise VerifierError(f"{suite.name} item {key!r}: its count {name!r} is {value}, which is no number.")
    return mark
