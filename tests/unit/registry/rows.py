"""Outcomes with known wins and losses, and a promote stage with everything that it reads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from ratchet.artifacts import ArtifactWriter, Header, Manifest, ModelRef
from ratchet.evaluate.outcomes import OUTCOMES, Outcome
from ratchet.promptset import PromptSetWriter, find
from ratchet.recipe import Recipe
from ratchet.records import ImageRef, Message, Prompt
from ratchet.registry.base import Registry
from ratchet.registry.promotion import promote
from ratchet.rounds import Round
from ratchet.settings import Settings
from ratchet.stage import StageContext, context_of
from ratchet.store import Store
from ratchet.train.report import TRAIN_LOG, LogRow

FAMILY = "tests"
LOG = [LogRow(step=step, epoch=step / 2, loss=1 / step, learning_rate=0.5, tokens=step) for step in (1, 2)]


def outcome(number: int, role: str, correct: bool | None, **fields: Any) -> Outcome:
    given: dict[str, Any] = {
        "prompt_id": f"p{number:05d}",
        "split_key": f"image-{number}",
        "skill": "count",
        "role": role,
        "text": "an answer",
        "correct": correct,
        "score": None if correct is None else float(correct),
        "reason": "match" if correct else "wrong",
        "unparsed": False,
        "clipped": False,
    }
    return Outcome(**{**given, **fields})


def both(number: int, candidate: bool | None, champion: bool | None, **fields: Any) -> list[Outcome]:
    return [outcome(number, "candidate", candidate, **fields), outcome(number, "champion", champion, **fields)]


def outcomes(wins: int, losses: int, right: int = 200, wrong: int = 100, **fields: Any) -> list[Outcome]:
    """Items that only the candidate, only the champion, both and none got right."""
    marks = [(True, False)] * wins + [(False, True)] * losses + [(True, True)] * right + [(False, False)] * wrong
    return [row for number, (ours, theirs) in enumerate(marks) for row in both(number, ours, theirs, **fields)]


def model(name: str, loop: str, version: str | None = None) -> ModelRef:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return ModelRef(name=loop, version=version, uri=f"s3://models/{loop}/{digest[:12]}", digest=digest)


def crown(registry: Registry, store: Store, loop: str) -> ModelRef:
    """Register a seed and make it champion."""
    seed = model("seed", loop)
    made = registry.register(loop, seed.uri, seed.digest)
    promote(registry, store, loop, made.version, expected=None, key="seed", by="test", reason="the seed", kind="seed")
    return seed.model_copy(update={"version": made.version})


def stage(
    store: Store,
    seed: ModelRef,
    rows: Iterable[Outcome],
    *,
    number: int = 1,
    candidate: str = "candidate",
    control: str | None = None,
    registry: str = "store",
    recipe: Recipe | None = None,
) -> StageContext:
    """The context of a promote stage whose parents say that `candidate` did as `rows` tell."""
    rows = list(rows)
    prompts = prompt_set(store, len({row.prompt_id for row in rows if row.suite is None and row.role == "champion"}))
    loop = seed.name
    opened = Round(
        loop=loop,
        number=number,
        salt=f"salt-{number}",
        job=f"job-{number}",
        seed=seed,
        recipe=recipe or Recipe(name="tests"),
        prompts=prompts,
        report=prompts,
        family=FAMILY,
        control=control,
        code_revision="test",
    )
    made = model(candidate, loop).model_copy(update={"name": candidate})
    parents = {
        "train": write(
            store, f"{opened.prefix}/train-{candidate}", "train", TRAIN_LOG, LOG, {"model": made.model_dump()}
        ),
        "evaluate": write(
            store, f"{opened.prefix}/evaluate-{candidate}", "evaluate", OUTCOMES, rows, {"accuracy": {"count": 0.5}}
        ),
    }
    return context_of("promote", store, opened, parents, settings=Settings(root=store.root, registry=registry))


def write(store: Store, prefix: str, name: str, schema: Any, rows: Iterable[Any], results: dict[str, Any]) -> Manifest:
    writer = ArtifactWriter(store, prefix, schema, Header(stage=name, key=prefix))
    done = writer.existing()
    if done is not None:
        return done
    writer.write(0, rows)
    return writer.commit(results=results)


def prompt_set(store: Store, items: int) -> str:
    """Digest of a prompt set with so many held-out prompts."""
    digest = f"{items:032x}" * 2
    if find(store, digest) is None:
        image = ImageRef(sha256="b" * 64, media_type="image/png", width=8, height=8)
        held = (
            Prompt.make(
                messages=[Message(role="user", content=f"How many? {n}")], images=[image], skill="count", source="tests"
            )
            for n in range(items)
        )
        writer = PromptSetWriter(store, name="tests", digest=digest, source="tests", salt="s", family=FAMILY)
        writer.write_part("holdout", held, [])
        writer.finish([])
    return digest
