"""Labels that people gave, in ledgers that only grow, with author and time.

<root>/loops/<loop>/labels/pool/0001.json    of answers that a round learned from: they count in audits
<root>/loops/<loop>/labels/held/0001.json    of answers to holdout items: kept apart, and read by nothing but the list

Nothing that a stage does reads either ledger. A label that contradicts a verdict stands beside it; whoever changes their mind
adds another label, and the last one of an author on an answer is theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field, ValidationError

from ratchet import canonical
from ratchet.errors import ArtifactError
from ratchet.records import Record
from ratchet.registry.ledger import Ledger
from ratchet.rounds import loop_prefix
from ratchet.store import Store

Choice = Literal["right", "wrong", "unsure"]
Place = Literal["pool", "held"]
Split = Literal["pool", "holdout"]
PLACES: Mapping[Split, Place] = {"pool": "pool", "holdout": "held"}
"""Which ledger a split's labels go to. There is none for the report split: its items are never shown for review."""
LONGEST_NOTE = 2000


class Label(Record):
    """What one person said of one answer, beside what was decided: `verdict` is the round's judgement, `said` each
    verifier's. `override`: the person states that the verdict must not stand; it changes nothing by itself."""

    round: int
    split: Split
    prompt_id: str
    text: str
    model: str
    why: tuple[str, ...]
    verdict: bool | None
    said: dict[str, bool | None] = {}
    choice: Choice
    override: bool = False
    note: str = Field("", max_length=LONGEST_NOTE)
    author: str = Field(min_length=1, max_length=200)
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))

    @property
    def right(self) -> bool | None:
        return None if self.choice == "unsure" else self.choice == "right"

    @property
    def disagrees(self) -> bool:
        """Whether it contradicts the verdict that it lies beside."""
        return self.right is not None and self.verdict is not None and self.right != self.verdict

    @property
    def answer(self) -> str:
        """Which answer it is of."""
        return answer_id(self.round, self.prompt_id, self.text)


def answer_id(number: int, prompt_id: str, text: str) -> str:
    """16 hex digits for an answer in a round."""
    return canonical.digest([number, prompt_id, text])[:16]


class Labels:
    """The labels of a loop."""

    def __init__(self, store: Store, loop: str) -> None:
        self._store, self._prefix = store, f"{loop_prefix(loop)}/labels"

    def add(self, label: Label) -> int:
        """Keep a label and return its number in its ledger; labels that come at once get different numbers."""
        return self._ledger(PLACES[label.split]).append(label.model_dump(mode="json"))

    def of(self, place: Place) -> list[Label]:
        """All labels of a ledger, the first first. Raises ArtifactError for what is none."""
        found = []
        for entry in self._ledger(place).entries():
            try:
                found.append(Label.model_validate(entry.value))
            except ValidationError as error:
                raise ArtifactError(
                    f"label {entry.number} below {self._store.uri(self._prefix)}/{place} is not one that this ratchet reads "
                    f"({error.errors()[0]['msg']}); read it with the ratchet that wrote it."
                ) from error
        return found

    def _ledger(self, place: Place) -> Ledger:
        return Ledger(self._store, f"{self._prefix}/{place}")


def standing(labels: Iterable[Label]) -> list[Label]:
    """The last label of each author on each answer, in the order in which they were given."""
    last: dict[tuple[str, str], Label] = {}
    for label in labels:
        last.pop((label.answer, label.author), None)
        last[label.answer, label.author] = label
    return list(last.values())


def agreed(labels: Iterable[Label]) -> list[Label]:
    """One label an answer, of the answers on which all who were sure agree: these say what is right in an audit.

    The same words to the same prompt are one answer, whichever round they came in: what is right does not change with it.
    """
    last: dict[tuple[str, str, str], Label] = {}
    for label in labels:
        key = (label.prompt_id, label.text, label.author)
        last.pop(key, None)
        last[key] = label
    by_answer: dict[tuple[str, str], list[Label]] = {}
    for label in last.values():
        if label.right is not None:
            by_answer.setdefault((label.prompt_id, label.text), []).append(label)
    return [given[-1] for given in by_answer.values() if len({one.right for one in given}) == 1]
