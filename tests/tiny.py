"""A tiny random model and a tiny prompt set, for the tests of every stage that needs them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from ratchet.artifacts import ImageBank, ModelRef, Pack, write_pack
from ratchet.promptset import PromptSet, PromptSetWriter
from ratchet.recipe import Recipe
from ratchet.records import Prompt
from ratchet.rounds import Round
from ratchet.store import Store
from ratchet.tinyworld import SKILLS, items, prompt_of


def save_model(folder: Path, seed: int = 0) -> Path:
    """A random Idefics3 of the seed model's shape, in `folder`."""
    from ratchet.tinyworld import seed_model

    processor = seed_model.build_processor()
    seed_model.save(seed_model.build_model(processor, seed), processor, folder)
    return folder


def world(split: str, n: int, skills: Sequence[str] = SKILLS) -> tuple[list[Prompt], dict[str, bytes]]:
    """The first `n` prompts of a tiny-world split, and the bytes of their pictures."""
    prompts: list[Prompt] = []
    pictures: dict[str, bytes] = {}
    for item in items(split, n, 0, skills=skills):
        prompt, shown = prompt_of(item)
        prompts.append(prompt)
        pictures.update(shown)
    return prompts, pictures


def pack(store: Store, pictures: dict[str, bytes], name: str = "pack") -> Pack:
    return write_pack(store, f"images/{name}.parquet", pictures.items())


def bank(store: Store, pictures: dict[str, bytes]) -> ImageBank:
    return ImageBank(store, [pack(store, pictures)])


def prompt_set(store: Store, digest: str = "a" * 64, **rows: int) -> PromptSet:
    """A finished prompt set with the given number of rows in each split."""
    writer = PromptSetWriter(store, name="tiny", digest=digest, source="tinyworld", salt="salt")
    for split, n in rows.items():
        prompts, pictures = world(split, n)
        writer.write_part(split, prompts, [pack(store, pictures, f"{digest[:8]}-{split}")])
    return writer.finish([])


def opened_round(store: Store, seed: ModelRef, prompts: PromptSet, recipe: Mapping[str, Any]) -> Round:
    """A round on `prompts`, not stored; `recipe` overrides the default recipe's parts."""
    return Round(
        loop="tiny",
        number=1,
        salt="salt-1",
        job="job-1",
        seed=seed,
        recipe=Recipe.model_validate({"name": "tiny", **recipe}),
        prompts=prompts.digest,
        report=prompts.digest,
        family=prompts.family,
        code_revision="test",
    )


def png(colour: str = "red", size: int = 8) -> bytes:
    """A small encoded picture of one colour."""
    image, sink = Image.new("RGB", (size, size), colour), io.BytesIO()
    image.save(sink, "PNG")
    return sink.getvalue()
