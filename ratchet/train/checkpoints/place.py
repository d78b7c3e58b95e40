"""Where a training's checkpoints lie: `<stage>/checkpoints/<step>.json`, each the list of its files by content.

A card is written last, so a checkpoint is there whole or not at all. Files are named by their SHA-256: what two
checkpoints share is sent once, and two processes that train the same write the same. Files are safetensors and the rest is
JSON; nothing that is read can run.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ratchet import canonical
from ratchet.errors import DigestMismatch, NotFound
from ratchet.model_files import file_sha256
from ratchet.records import Record
from ratchet.stage import StageContext
from ratchet.store import Store
from ratchet.train.inputs import trained_from

log = logging.getLogger(__name__)
FOLDER = "checkpoints"
VERSION = 1


class Training(Record):
    """What a checkpoint must belong to: another model, recipe, rows or number of processes is another training."""

    key: str
    seed: str
    config: str
    processes: int = 1


class Kept(Record):
    """One file of a checkpoint."""

    sha256: str
    size: int


class Card(Record):
    """One checkpoint. `state` is all that is no tensor: counters, schedule, random states, the log so far."""

    version: int = VERSION
    step: int
    training: Training
    files: dict[str, Kept]
    state: dict[str, Any]


class Checkpoints:
    """The checkpoints of `training` in a folder of the store.

    `check` is asked before a card is written: it raises where this process may write no more (LeaseLost).
    """

    def __init__(self, store: Store, training: Training, check: Callable[[], None] = lambda: None) -> None:
        self.store, self.training, self._check = store, training, check

    def of(self, processes: int) -> Checkpoints:
        """The same, of a training by so many processes."""
        return Checkpoints(self.store, self.training.model_copy(update={"processes": processes}), self._check)

    def checked(self, check: Callable[[], None]) -> Checkpoints:
        """The same, written as long as `check` raises nothing."""
        return Checkpoints(self.store, self.training, check)

    def steps(self) -> list[int]:
        """Steps that have a card, in order."""
        return sorted(step for step, _ in self._cards())

    def write(
        self, step: int, files: Mapping[str, Path], state: Mapping[str, Any], go_on: Callable[[], None] = lambda: None
    ) -> Card:
        """Send the local files that are not there yet, and the card last. Raises StoreError and what `check` raises.

        `go_on` is called before each file and the card; what it raises ends the writing.
        """
        kept = {name: Kept(sha256=file_sha256(path), size=path.stat().st_size) for name, path in files.items()}
        for name, path in files.items():
            go_on()
            key = _file(kept[name])
            found = self.store.stat(key)
            if found is None or found.size != kept[name].size:
                self.store.put_file(key, path)
        card = Card(step=step, training=self.training, files=kept, state=dict(state))
        go_on()
        self._check()
        # Not canonical JSON, in which a number that is not finite would be lost.
        self.store.put(_card(step), json.dumps(card.model_dump()).encode())
        return card

    def read(self, step: int) -> Card | None:
        """The card of a step; None, and a warning, where it is broken or of another training."""
        where = self.store.uri(_card(step))
        try:
            card = Card.model_validate(json.loads(self.store.get(_card(step))))
        except NotFound:
            return None
        except (ValueError, ValidationError):
            log.warning("%s is no checkpoint's card and is passed over", where)
            return None
        other = _difference(card, self.training)
        if other:
            log.warning("checkpoint %s is of another training (%s) and is passed over", where, other)
            return None
        return card

    def fetch(self, card: Card, folder: Path) -> dict[str, Path]:
        """The files of a checkpoint in `folder`, by name. Raises NotFound, or DigestMismatch for bytes that differ."""
        found = {}
        for name, kept in card.files.items():
            found[name] = folder / f"{name}.safetensors"
            self.store.get_file(_file(kept), found[name])
            if file_sha256(found[name]) != kept.sha256:
                raise DigestMismatch(
                    f"{self.store.uri(_file(kept))} does not have the SHA-256 of its name; it was changed."
                )
        return found

    def prune(self, keep: int) -> None:
        """Remove all but the newest `keep`."""
        self._remove(self.steps()[:-keep])

    def clear(self) -> None:
        """Remove all, those of other trainings here too."""
        for stat in list(self.store.list("")):
            self.store.delete(self.store.key(stat.uri))

    def _cards(self) -> Iterator[tuple[int, str]]:
        for stat in self.store.list("step-"):
            key = self.store.key(stat.uri)
            number = key.removeprefix("step-").removesuffix(".json")
            if number.isdecimal():
                yield int(number), key

    def _remove(self, steps: list[int]) -> None:
        cards = {step: self._read_any(step) for step in self.steps()}
        gone = {step: cards.get(step, {}) for step in steps}
        # Cards first: a card whose files are missing would be believed until it is fetched.
        for step in gone:
            self.store.delete(_card(step))
        still = {kept for step, files in cards.items() if step not in gone for kept in files}
        for key in {key for files in gone.values() for key in files} - still:
            self.store.delete(key)

    def _read_any(self, step: int) -> dict[str, None]:
        """Keys of the files that a card lists, whatever training it is of."""
        try:
            card = Card.model_validate(json.loads(self.store.get(_card(step))))
        except (NotFound, ValueError, ValidationError):
            return {}
        return dict.fromkeys(_file(kept) for kept in card.files.values())


def of_stage(context: StageContext) -> Checkpoints:
    """The checkpoints of a train stage, below its place. They may be written as long as its run holds the loop."""
    training = Training(
        key=context.key,
        seed=trained_from(context.round).digest,
        config=canonical.digest(context.config.model_dump(mode="json")),
    )
    return Checkpoints(context.store.sub(f"{context.prefix}/{FOLDER}"), training, context.check_lease)


def sweep(context: StageContext) -> None:
    """Remove the checkpoints of a train stage that is complete."""
    of_stage(context).clear()


def sweep_round(store: Store, prefix: str) -> None:
    """Remove all checkpoints of the round there, with which nobody goes on."""
    for stat in list(store.list(f"{prefix}/train-")):
        key = store.key(stat.uri)
        if key.removeprefix(f"{prefix}/").split("/")[1:2] == [FOLDER]:
            store.delete(key)


def _difference(card: Card, ours: Training) -> str:
    """What sets a card apart from this training; empty where nothing does."""
    if card.version != VERSION:
        return f"its version is {card.version}, this code's is {VERSION}"
    theirs, mine = card.training.model_dump(), ours.model_dump()
    return ", ".join(
        f"{name} {str(theirs[name])[:12]}, here {str(mine[name])[:12]}" for name in mine if theirs[name] != mine[name]
    )


def _card(step: int) -> str:
    return f"step-{step:08d}.json"


def _file(kept: Kept) -> str:
    return f"files/{kept.sha256}.safetensors"
