"""Picture corruptions, seeded and with bounded parameters, and the bytes that a corrupted picture is kept as.

    corrupt(picture, "diffusion", {"step": 500}, seed=7)

The result depends on (pixels, kind, params, seed) and nothing else. Random kinds draw again while the picture is
unchanged, so a result equals its source only where `Corruption.spares` says so.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from ratchet.errors import SamplingError
from ratchet.generate.negatives import diffusion, edits

Change = Callable[[Image.Image, Mapping[str, float], np.random.Generator], Image.Image]

TRIES = 64
"""Draws before a picture counts as one that the kind cannot change; a single changeable pixel needs about two."""
_BLOCK = 65_535


@dataclass(frozen=True, slots=True)
class Param:
    """A number that may be set: its default, its least and largest value, its unit; `whole` if it is an integer."""

    default: float
    low: float
    high: float
    unit: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Corruption:
    """A kind of corruption: its parameters, the paper it comes from, and which pictures it leaves as they are."""

    name: str
    change: Change
    source: str
    spares: str
    params: Mapping[str, Param] = field(default_factory=dict)
    random: bool = True


_FLAT = "pictures of one colour"
_DARK = "black pictures, and almost black ones that a factor leaves black"
_SWITCH = "0 or 1"


def _share(default: float, high: float = 1.0) -> Param:
    return Param(default, 0.01, high, "share of the picture")


def _spread(default: float, high: float = 1.0) -> Param:
    return Param(default, 0.0, high, "colour circle, +-" if high < 1 else "factor 1 +-")


def _side(default: int, unit: str = "pixels") -> Param:
    return Param(default, 1, 1024, unit, whole=True)


CORRUPTIONS: Mapping[str, Corruption] = {
    one.name: one
    for one in (
        Corruption(
            "stic",
            edits.stic,
            "STIC (Deng et al. 2024): a picture of 20 pixels, left small as in its code, or colour jitter. A picture that "
            "is no larger than that is halved",
            f"{_DARK}; with p = 1 those one pixel wide or high, where the colours stay too",
            {
                "p": Param(0.5, 0, 1, "probability of the small picture"),
                "short_side": _side(20),
                "brightness": _spread(0.5),
                "hue": _spread(0.3, 0.5),
            },
        ),
        Corruption(
            "diffusion",
            diffusion.diffusion,
            "DDPM (Ho et al. 2020) schedule 0, VCD (Leng et al. 2023) schedule 1, which SeVa and POVID use at step 500",
            "none in practice; the first steps leave a saturated picture as it is",
            {
                "step": Param(500, 0, diffusion.STEPS - 1, "steps of 1,000", whole=True),
                "schedule": Param(0, 0, 1, "0 linear, 1 sigmoid", whole=True),
            },
        ),
        Corruption("noise", diffusion.noise, "standard", "none", {"std": Param(50, 1, 128, "levels of 0 to 255")}),
        Corruption("blur", edits.blur, "standard", _FLAT, {"radius": Param(4, 0.5, 64, "pixels")}, random=False),
        Corruption(
            "downscale",
            edits.downscale,
            "standard",
            _FLAT,
            {"factor": Param(8, 1.5, 64, "times smaller"), "smooth": Param(0, 0, 1, _SWITCH, whole=True)},
            random=False,
        ),
        Corruption("crop", edits.crop, "Image-DPO's random crop", "a single pixel", {"area": _share(0.3, 0.95)}),
        Corruption(
            "erase",
            edits.erase,
            "Random Erasing (Zhong et al. 2017), with the mean colour",
            _FLAT,
            {"area": _share(0.3, 0.9), "boxes": Param(3, 1, 32, "rectangles", whole=True)},
        ),
        Corruption(
            "patches",
            edits.patches,
            "BDHS (Amirloo et al. 2024): masked image tokens, here masked pixels",
            _FLAT,
            {"patch": _side(14), "share": _share(0.5)},
        ),
        Corruption("shuffle", edits.shuffle, "standard", "those whose squares are all the same", {"patch": _side(28)}),
        Corruption(
            "colour",
            edits.colour,
            "torchvision's ColorJitter, in a fixed order",
            f"{_DARK}; grey ones where only saturation or hue may change",
            {
                "brightness": _spread(0.5),
                "contrast": _spread(0.5),
                "saturation": _spread(0.5),
                "hue": _spread(0.3, 0.5),
            },
        ),
        Corruption("grey", edits.grey, "standard", "grey ones", random=False),
        Corruption(
            "rotate",
            edits.rotate,
            "standard",
            "those that look the same when turned",
            {"degrees": Param(90, 1, 359, "degrees against the clock")},
            random=False,
        ),
        Corruption(
            "flip",
            edits.flip,
            "standard; answers about left and right change with it",
            "symmetric ones",
            {"vertical": Param(0, 0, 1, _SWITCH, whole=True)},
            random=False,
        ),
    )
}
"""By name. Sources that are `standard` are corruptions that several papers use without one origin."""


def settle(kind: str, params: Mapping[str, float]) -> dict[str, float]:
    """Every parameter of `kind`: those given, checked, and the defaults of the rest.

    Raises SamplingError for a kind or a parameter that does not exist, and for a value outside of its range.
    """
    corruption = _named(kind)
    for name, value in params.items():
        if name not in corruption.params:
            known = ", ".join(corruption.params) or "none"
            raise SamplingError(f"corruption {kind} has no parameter {name!r}: it has {known}; leave {name!r} out.")
        _check(kind, name, value, corruption.params[name])
    settled = {name: float(params.get(name, param.default)) for name, param in corruption.params.items()}
    if kind == "colour" and not any(settled.values()):
        raise SamplingError("corruption colour with every parameter 0 changes nothing: set at least one above 0.")
    return settled


def corrupt(image: Image.Image, kind: str, params: Mapping[str, float], seed: int) -> Image.Image:
    """A corrupted copy (RGB) of `image` (made RGB first); `stic`, `crop` and `rotate` may change its size.

    Raises SamplingError for what `settle` refuses and for a negative seed.
    """
    settled, corruption = settle(kind, params), _named(kind)
    if seed < 0:
        raise SamplingError(f"seed {seed} of corruption {kind} is negative: give a whole number from 0 up.")
    source = image if image.mode == "RGB" else image.convert("RGB")
    before, rng = source.tobytes(), np.random.Generator(np.random.PCG64(seed))
    changed = source
    for _ in range(TRIES if corruption.random else 1):
        changed = corruption.change(source, settled, rng)
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


def _named(kind: str) -> Corruption:
    if kind not in CORRUPTIONS:
        raise SamplingError(f"corruption {kind!r} is unknown: use one of {', '.join(CORRUPTIONS)}.")
    return CORRUPTIONS[kind]


def _check(kind: str, name: str, value: float, param: Param) -> None:
    if not param.low <= value <= param.high:
        rule = f"must be from {param.low:g} to {param.high:g} ({param.unit})"
        raise SamplingError(f"{name} {value:g} of corruption {kind} {rule}; its default is {param.default:g}.")
    if param.whole and value != int(value):
        raise SamplingError(f"{name} {value:g} of corruption {kind} must be a whole number; round it.")
