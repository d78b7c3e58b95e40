"""A loop without models: a champion that is only an entry, tiny prompt sets, and stages that only leave manifests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ratchet import canonical, rounds
from ratchet.artifacts import ArtifactWriter, Header, Manifest, ModelRef, RowSchema
from ratchet.begin import BeginOptions, begin
from ratchet.model_files import CARD, ModelCard, ModelFile, files_digest
from ratchet.records import Record
from ratchet.registry import open_registry
from ratchet.registry.base import ROUND, Lineage
from ratchet.registry.promotion import promote
from ratchet.rounds import Ticket
from ratchet.settings import Settings
from ratchet.stage import STEPS
from ratchet.store import Store, open_store

LOOP = "mine"
RECIPE = "{name: small, seed: 7, prompts: {pool: 2, validation: 1, holdout: 2, report: 1}, promote: {min_items: 2}}"
OTHER_RECIPE = RECIPE.replace("seed: 7", "seed: 7, generate: {k: 2}")


class Row(Record):
    text: str = ""


ROWS = RowSchema("rows", 1, Row)


def new_loop(folder: Path, name: str = LOOP) -> Settings:
    """Settings of a store whose loop has version 1 as champion."""
    return with_champion(Settings(root=str(folder / "store"), registry="store"), name)


def with_champion(settings: Settings, name: str = LOOP) -> Settings:
    store = open_store(settings.root)
    registry = open_registry(settings, store)
    ref = stored_model(store, name, "seed")
    made = registry.register(name, ref.uri, ref.digest, Lineage(tags={ROUND: "0"}))
    promote(registry, store, name, made.version, expected=None, key="seed", by="test", reason="first", kind="seed")
    return settings


def model(loop: str, name: str, store: Store | None = None) -> ModelRef:
    """A model of one small file, in the store if one is given."""
    (file,) = _files(name)
    digest = files_digest((file,))
    return ModelRef(
        name=loop, uri=store.uri(f"models/{loop}/{digest}") if store else f"s3://models/{name}", digest=digest
    )


def stored_model(store: Store, loop: str, name: str) -> ModelRef:
    """The same with its bytes: what begin looks for."""
    ref = model(loop, name, store)
    files = _files(name)
    prefix = store.key(ref.uri)
    store.put(f"{prefix}/{files[0].path}", name.encode())
    card = ModelCard(name=loop, digest=ref.digest, files=files)
    store.put(f"{prefix}/{CARD}", canonical.pretty(card.model_dump(mode="json")))
    return ref


def _files(name: str) -> tuple[ModelFile, ...]:
    data = name.encode()
    return (ModelFile(path="config.json", sha256=canonical.sha256(data), size=len(data)),)


def opened(settings: Settings, job: str = "job-1", recipe: str = RECIPE, **options: Any) -> Ticket:
    return begin(job, BeginOptions(loop=LOOP, recipe=recipe, **options), settings)


def leave(store: Store, ticket: Ticket, stage: str, results: Mapping[str, Any] | None = None) -> Manifest:
    """What a stage leaves when it is done."""
    place = f"{rounds.round_prefix(ticket.loop, ticket.number)}/{stage}-{'0' * 12}"
    header = Header(stage=stage, key=stage, loop=ticket.loop, round=ticket.number, epoch=ticket.epoch)
    writer = ArtifactWriter(store, place, ROWS, header)
    writer.write(0, [Row(text=stage)])
    return writer.commit(results=results, counts={"kept": 1}, seconds={"work": 1.5})


def leave_all(store: Store, ticket: Ticket, state: str = "REFUSED", but: tuple[str, ...] = ()) -> None:
    for stage in STEPS:
        if stage not in but:
            leave(store, ticket, stage, decision(state) if stage == "promote" else None)


def decision(state: str) -> dict[str, Any]:
    return {
        "state": state,
        "decision": {"reason": "not_better", "delta": {"delta": 0.01, "low": -0.02, "high": 0.04}},
        "words": ["The candidate is no better.", "Not promoted: the alias is elsewhere."],
        "candidate": "2",
        "champion": "2" if state == "PROMOTED" else "1",
    }


def promoted(settings: Settings, ticket: Ticket) -> None:
    """Move the alias to a new version in the name of the ticket's round."""
    store = open_store(settings.root)
    registry = open_registry(settings, store)
    ref = stored_model(store, ticket.loop, f"candidate-{ticket.number}")
    made = registry.register(ticket.loop, ref.uri, ref.digest, Lineage(tags={ROUND: str(ticket.number)}))
    champion = registry.champion(ticket.loop)
    assert champion is not None
    promote(
        registry, store, ticket.loop, made.version,
        expected=champion.version, key=f"round-{ticket.number}", by=ticket.job, reason="better", round=ticket.number,
    )  # fmt: skip
