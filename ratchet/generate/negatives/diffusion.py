"""Gaussian noise on pixels, and the forward diffusion of DDPM.

Pixels are made in whole numbers from PCG64's raw output and a table of normal quantiles: numpy promises the raw stream
of a bit generator for ever, its normal draws not, and the table is the faster of the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from PIL import Image

STEPS = 1000
_LEVELS = 1 << 16
_UNIT = 32
"""Fixed point: pixels are counted in 1/32 of a level, so that 128 levels of noise times 4.3 still fit 16 bits."""
_BLOCK = 1 << 15
"""Values at a time, four to a raw draw: larger arrays come fresh from the system, and touching their pages takes time."""


def _linear() -> npt.NDArray[np.float64]:
    """DDPM (Ho et al. 2020): beta from 1e-4 to 0.02 in equal steps."""
    return np.linspace(1e-4, 0.02, STEPS)


def _sigmoid() -> npt.NDArray[np.float64]:
    """VCD's published code, which POVID and SeVa took over: 1e-5 + (0.005 - 1e-5) sigmoid(x), x from -6 to 6."""
    return 1e-5 + (0.5e-2 - 1e-5) / (1 + np.exp(-np.linspace(-6, 6, STEPS)))


SCHEDULES: Mapping[int, Callable[[], npt.NDArray[np.float64]]] = {0: _linear, 1: _sigmoid}


@cache
def alpha_bar(schedule: int, step: int) -> float:
    """Share of the picture's variance that is left after `step` (0 to 999): the product of 1 - beta over 0..step.

    Step 500 leaves 0.078 under the linear schedule (0) and 0.75 under the sigmoid one (1).
    """
    return float(np.prod(1 - SCHEDULES[schedule]()[: step + 1]))


@cache
def _quantiles() -> npt.NDArray[np.float64]:
    """The standard normal's quantiles at (i + 1/2) / 65,536: from -4.3 to 4.3."""
    normal = NormalDist()
    upper = [normal.inv_cdf((i + 0.5) / _LEVELS) for i in range(_LEVELS // 2, _LEVELS)]
    return np.array([-q for q in reversed(upper)] + upper)


@lru_cache(maxsize=8)
def _offsets(std: float) -> npt.NDArray[np.int16]:
    """The quantiles of noise of `std` levels, in fixed point."""
    return np.rint(_quantiles() * (std * _UNIT)).astype(np.int16)


def noised(image: Image.Image, gain: float, std: float, rng: np.random.Generator) -> Image.Image:
    """Each channel of each pixel as 127.5 + gain (x - 127.5) + std eps, rounded and cut to 0..255. std in levels, <= 128."""
    pixels = np.array(image)
    levels = np.rint((127.5 + gain * (np.arange(256) - 127.5)) * _UNIT + _UNIT // 2).astype(np.int16)
    offsets, flat = _offsets(std), pixels.reshape(-1)
    for start in range(0, flat.size, _BLOCK):
        part = flat[start : start + _BLOCK]
        raw = rng.bit_generator.random_raw(-(-part.size // 4)).astype("<u8", copy=False).view("<u2")
        sums = offsets.take(raw[: part.size])
        sums += levels.take(part)
        sums >>= _UNIT.bit_length() - 1
        part[:] = sums.clip(0, 255)
    return Image.fromarray(pixels)


def noise(image: Image.Image, chosen: Mapping[str, float], rng: np.random.Generator) -> Image.Image:
    """Add Gaussian noise of `std` levels to every channel."""
    return noised(image, 1.0, chosen["std"], rng)


def diffusion(image: Image.Image, chosen: Mapping[str, float], rng: np.random.Generator) -> Image.Image:
    """x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps, with pixels scaled to [-1, 1] and cut to it afterwards."""
    left = alpha_bar(int(chosen["schedule"]), int(chosen["step"]))
    return noised(image, left**0.5, 127.5 * (1 - left) ** 0.5, rng)
