"""Milliseconds that one corrupted picture takes, its PNG bytes included, for each kind with its default parameters.

Pictures are photo-like: smooth shades with edges and a little noise. CPU-time of this process, one picture at a time.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
from PIL import Image

from bench.result import Result
from ratchet.generate.negatives.pictures import CORRUPTIONS, corrupt, encode

GOAL_MS = 2.0
SIDES = (224, 48)
WARM = 5


def measure(quick: bool) -> list[Result]:
    """The slowest kind's mean for each size; all kinds, with their 95th percentiles, are in the detail."""
    return [_result(side, 20 if quick else 400) for side in SIDES]


def _result(side: int, times: int) -> Result:
    image = picture(side)
    found = {kind: _timed(image, kind, times) for kind in CORRUPTIONS}
    slowest = max(found, key=lambda kind: found[kind]["mean_ms"])
    what = f"CPU-ms a corrupted {side}x{side} picture with its PNG, mean of the slowest kind ({slowest})"
    detail = {"times": times, "kinds": found}
    return Result(f"corrupt {side}", what, GOAL_MS, False, found[slowest]["mean_ms"], "ms", detail=detail)


def _timed(image: Image.Image, kind: str, times: int) -> dict[str, float]:
    spent = []
    for seed in range(WARM + times):
        start = time.process_time()
        encode(corrupt(image, kind, {}, seed))
        spent.append(1e3 * (time.process_time() - start))
    spent = spent[WARM:]
    return {"mean_ms": statistics.fmean(spent), "p95_ms": statistics.quantiles(spent, n=20)[-1]}


def picture(side: int) -> Image.Image:
    """Twelve by twelve random colours, smoothly enlarged, with a dark square and noise of four levels."""
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8))
    pixels = np.array(small.resize((side, side), Image.Resampling.BICUBIC)).astype(np.int16)
    pixels[side // 4 : side // 2, side // 4 : side // 2] //= 3
    pixels += rng.integers(-4, 5, pixels.shape, dtype=np.int16)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
