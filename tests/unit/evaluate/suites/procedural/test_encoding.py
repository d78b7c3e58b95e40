"""PNG bytes that do not depend on the zlib at hand."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from ratchet.evaluate.suites import Drawing, suite
from ratchet.evaluate.suites.procedural.encoding import png


def read(body: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(body)))


@pytest.mark.parametrize("levels", [1, 2, 3, 256])
@pytest.mark.parametrize("shape", [(5, 7), (130, 131), (127, 300), (300, 129)])
def test_every_picture_is_read_back_as_it_was(shape: tuple[int, int], levels: int) -> None:
    drawn = np.random.default_rng(levels).integers(0, levels, (*shape, 3)).astype(np.uint8)
    assert np.array_equal(read(png(drawn)), drawn)


@pytest.mark.parametrize("run", [*range(1, 12), 86, 87, 172, 255, 256, 257, 258, 259, 260, 261, 516, 517, 600])
def test_runs_of_every_length_are_read_back(run: int) -> None:
    drawn = np.zeros((130, 700, 3), dtype=np.uint8)
    drawn.reshape(130, -1)[3:, 11 : 11 + run] = 200
    drawn[7, 11 + run // 3 :: 3] = 9
    assert np.array_equal(read(png(drawn)), drawn)


def test_flat_colours_are_small() -> None:
    assert len(png(np.full((896, 896, 3), 240, dtype=np.uint8))) < 30_000


@pytest.mark.parametrize(
    ("name", "size", "digest"),
    [
        ("spatial", 48, "9a18caa4013433d2"),
        ("spatial", 224, "c0f4c6efdc510d14"),
        ("multi-view", 448, "4d5b9cd7c43bcbcf"),
    ],
)
def test_a_draw_has_the_same_bytes_on_every_machine(name: str, size: int, digest: str) -> None:
    found = suite(name).draw
    assert found is not None
    seen = hashlib.sha256()
    for question in found(Drawing(30, "golden", size)):
        if question.facts.get("form") != "lossy":
            seen.update("\0".join([question.key, question.text, str(question.reference)]).encode())
            for body in question.pictures:
                seen.update(body)
    assert seen.hexdigest()[:16] == digest
