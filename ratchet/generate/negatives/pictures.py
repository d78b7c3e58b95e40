"""Picture corruptions, seeded and with bounded parameters, and the bytes that a corrupted picture is kept as.

    corrupt(picture, "diffusion", {"step": 500}, seed=7)

The result depends on (pixels, kind, params, seed) and nothing else. Random kinds draw again while the picture is
unchanged, so a result equals its source only where `Corruption.spares` says so.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image

from ratchet.errors import SamplingError
from ratchet.generate.negatives import diffusion, edits
from ratchet.recipe.corruptions import CORRUPTIONS, named, settle

__all__ = ["CORRUPTIONS", "corrupt", "encode", "settle"]

Change = Callable[[Image.Image, Mapping[str, float], np.random.Generator], Image.Image]

TRIES = 64
"""Draws before a picture counts as one that the kind cannot change; a single changeable pixel needs about two."""
_BLOCK = 65_535

_CHANGES: Mapping[str, Change] = {
    "stic": edits.stic,
    "diffusion": diffusion.diffusion,
    "noise": diffusion.noise,
    "blur": edits.blur,
    "downscale": edits.downscale,
    "crop": edits.crop,
    "erase": edits.erase,
    "patches": edits.patches,
    "shuffle": edits.shuffle,
    "colour": edits.colour,
    "grey": edits.grey,
    "rotate": edits.rotate,
    "flip": edits.flip,
}


def corrupt(image: Image.Image, kind: str, params: Mapping[str, float], seed: int) -> Image.Image:
    """A corrupted copy (RGB) of `image` (made RGB first); `stic`, `crop` and `rotate` may change its size.

    Raises SamplingError for what `settle` refuses and for a negative seed.
    """
    settled, corruption = settle(kind, params), named(kind)
    if seed < 0:
        raise SamplingError(f"seed {seed} of corruption {kind} is negative: give a whole number from 0 up.")
    source = image if image.mode == "RGB" else image.convert("RGB")
    before, rng = source.tobytes(), np.random.Generator(np.random.PCG64(seed))
    changed = source
    for _ in range(TRIES if corruption.random else 1):
        changed = _CHANGES[kind](source, settled, rng)
        if changed.size != source.size or changed.tobytes() != before:
            break
    return changed


def encode(image: Image.Image) -> bytes:
    """PNG bytes of an RGB picture: no metadata, no row filters, stored without compression.

    A picture is named by the hash of these bytes. Deflate's output differs between zlib versions, a stored block's does
    not, and it takes a twentieth of the time. Noise would not have become smaller.
    """
    width, height = image.size
    lines = np.zeros((height, 1 + 3 * width), dtype=np.uint8)
    lines[:, 1:] = np.asarray(image.convert("RGB")).reshape(height, 3 * width)
    raw = lines.data.cast("B")
    body: list[bytes | memoryview] = [b"\x78\x01"]
    for start in range(0, len(raw), _BLOCK):
        part = raw[start : start + _BLOCK]
        body += [struct.pack("<BHH", start + _BLOCK >= len(raw), len(part), len(part) ^ 0xFFFF), part]
    body.append(struct.pack(">I", zlib.adler32(raw)))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join([b"\x89PNG\r\n\x1a\n", *_chunk(b"IHDR", [head]), *_chunk(b"IDAT", body), *_chunk(b"IEND", [])])


def _chunk(name: bytes, body: Sequence[bytes | memoryview]) -> list[bytes | memoryview]:
    """The chunk in pieces, so that the picture's bytes are copied once."""
    check = zlib.crc32(name)
    for part in body:
        check = zlib.crc32(part, check)
    return [struct.pack(">I", sum(map(len, body))), name, *body, struct.pack(">I", check)]
