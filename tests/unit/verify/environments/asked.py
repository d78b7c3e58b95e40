"""Prompts with an environment and the pictures that they are about, for tests."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ratchet.artifacts import ImageBank, ref_of
from ratchet.records import Group, Message, Prompt, Record, Verdict
from ratchet.store import open_store
from ratchet.verify.environments import ref_of as environment_of
from ratchet.verify.protocol import Verifier
from tests.rows import completion

Pixels = npt.NDArray[np.uint8]


def png(pixels: Pixels) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "PNG")
    return out.getvalue()


def empty_bank(folder: Path) -> ImageBank:
    return ImageBank(open_store(str(folder)), [])


def asked(
    state: Record, pictures: Sequence[Pixels], reference: str | None = None, bank: ImageBank | None = None
) -> Prompt:
    """A prompt that starts from the state; its pictures go into the bank."""
    bodies = [png(one) for one in pictures]
    if bank is not None:
        for body in bodies:
            bank.add(body)
    ref = environment_of(state)
    return Prompt.make(
        messages=[Message(role="user", content=f"what do you do in {ref.name} {ref.state} ?")],
        images=[ref_of(body) for body in bodies],
        skill=ref.name,
        source="test",
        reference=reference,
        verifiers=(ref.name,),
        environment=ref,
    )


def verdict(verifier: Verifier, prompt: Prompt, answer: str) -> Verdict:
    return verifier.verify([Group(prompt=prompt, completions=(completion(0, answer),))])[0][0]


def noise(side: int = 24, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
