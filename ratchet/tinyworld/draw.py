"""Draw a scene: 48 x 48 pixels, a 16-pixel cell each. Whole numbers only, so the bytes are the same everywhere."""

from __future__ import annotations

import random
import struct
import zlib
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from ratchet.tinyworld import digits
from ratchet.tinyworld.scene import Scene, Thing

CELL = 16
SIDE = 3 * CELL
NOISE = 16
# Tint and noise add at most 27: no channel may pass 255.
INK = {"red": (215, 45, 45), "green": (45, 185, 65), "blue": (60, 95, 225), "yellow": (225, 205, 50)}
_SIZES = {"shape": (9, 13), "digit": (12, 14)}


@cache
def _shape_mask(shape: str, size: int) -> npt.NDArray[np.int32]:
    """The shape as opacity 0 to 255, from 4 x 4 samples in each pixel."""
    steps = np.arange(4 * size)
    x, y = 2 * steps[None, :] + 1, 2 * steps[:, None] + 1
    side = 8 * size
    if shape == "circle":
        inside = (2 * x - side) ** 2 + (2 * y - side) ** 2 <= side**2
    elif shape == "triangle":
        inside = abs(2 * x - side) <= y
    else:
        inside = np.ones((4 * size, 4 * size), dtype=bool)
    hits = inside.reshape(size, 4, size, 4).sum(axis=(1, 3))
    return np.asarray(hits * 255 // 16, dtype=np.int32)


def masks(shape: str) -> list[npt.NDArray[np.int32]]:
    """The shape in every size that is drawn."""
    small, large = _SIZES["shape"]
    return [_shape_mask(shape, size) for size in range(small, large + 1)]


def _paint(canvas: npt.NDArray[np.int32], cell: int, thing: Thing, rng: random.Random) -> None:
    """Lay one thing over its cell, with a size, a place and a tint of its own."""
    small, large = _SIZES["shape" if thing.sample is None else "digit"]
    size = small + int(rng.random() * (large - small + 1))
    room = CELL - size + 1
    top = cell // 3 * CELL + int(rng.random() * room)
    left = cell % 3 * CELL + int(rng.random() * room)
    tint = int(rng.random() * 41) - 20
    opacity = _shape_mask(thing.shape, size) if thing.sample is None else digits.mask(thing.sample, size)
    part = canvas[top : top + size, left : left + size]
    ink = np.array(INK[thing.colour], dtype=np.int32) + tint
    part += (ink - part) * opacity[:, :, None] // 255


def pixels(scene: Scene) -> npt.NDArray[np.uint8]:
    """The picture as rows x columns x RGB."""
    rng = random.Random(scene.paint_seed)
    shade = 15 + int(rng.random() * 50)
    canvas = np.full((SIDE, SIDE, 3), shade, dtype=np.int32)
    for cell, thing in enumerate(scene.cells):
        if thing is not None:
            _paint(canvas, cell, thing, rng)
    # Fresh noise in each picture also keeps any two pictures, and so any two prompts, from being the same.
    noise = np.frombuffer(rng.randbytes(SIDE * SIDE * 3), dtype=np.uint8).reshape(SIDE, SIDE, 3) % NOISE
    canvas += noise
    canvas -= NOISE // 2
    return canvas.astype(np.uint8)


def picture(scene: Scene) -> Image.Image:
    """The picture as a Pillow image."""
    return Image.fromarray(pixels(scene))


def png(image: Image.Image) -> bytes:
    """PNG bytes, stored without compression.

    A prompt's id hashes these bytes. Deflate's output differs between zlib versions; a stored block does not, and it
    is the fastest too. The pictures are small and mostly noise, so compression would save little.
    """
    width, height = image.size
    raw = image.convert("RGB").tobytes()
    lines = b"".join(b"\0" + raw[row * width * 3 : (row + 1) * width * 3] for row in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    # One stored block holds 65,535 bytes; a 48 x 48 picture needs 6,960.
    size = len(lines)
    body = b"\x78\x01\x01" + struct.pack("<HH", size, size ^ 0xFFFF) + lines + struct.pack(">I", zlib.adler32(lines))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
