"""What each corruption but noise does to a picture: (RGB picture, settled parameters, generator) -> RGB picture.

A function that draws nothing ignores its generator. `pictures` names them, checks parameters and draws again where a
draw changed nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

Chosen = Mapping[str, float]
Pixels = npt.NDArray[np.uint8]
_TURNS = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}
_BLOCK = 1 << 14
"""Pixels at a time: larger arrays come fresh from the system, and touching their pages takes longer than the sums."""
_SLIMMEST = math.log(0.3)


def stic(image: Image.Image, chosen: Chosen, rng: np.random.Generator) -> Image.Image:
    """With probability `p` a picture of `short_side` pixels, which stays that small; else other colours."""
    short = min(image.size)
    target = min(int(chosen["short_side"]), short // 2) if short <= chosen["short_side"] else int(chosen["short_side"])
    if rng.random() < chosen["p"] and target > 0:
        width, height = image.size
        return image.resize((target * width // short, target * height // short), Image.Resampling.BILINEAR)
    return colour(image, chosen, rng)


def colour(image: Image.Image, chosen: Chosen, rng: np.random.Generator) -> Image.Image:
    """Brightness, contrast, saturation and hue, each by a factor or a shift drawn from its range, in this order."""
    for name in ("brightness", "contrast", "saturation"):
        if spread := chosen.get(name, 0.0):
            image = _blended(image, name, rng.uniform(1 - spread, 1 + spread))
    if spread := chosen.get("hue", 0.0):
        image = _hue(image, rng.uniform(-spread, spread))
    return image


def _blended(image: Image.Image, name: str, factor: float) -> Image.Image:
    """Towards (factor < 1) or away from (> 1) black, the mean grey, or the picture's own greys."""
    if name == "saturation":
        return Image.blend(_greys(image), image, factor)
    middle = 0.0
    if name == "contrast":
        middle = float(np.rint(np.asarray(image.convert("L")).mean()))
    levels = np.clip(middle + factor * (np.arange(256) - middle) + 0.5, 0, 255).astype(np.uint8)
    return image.point(levels.tolist() * 3)


def _hue(image: Image.Image, shift: float) -> Image.Image:
    """Turn the hue of HSV by `shift` of the colour circle, as torchvision's adjust_hue does, but without rounding HSV."""
    pixels = np.array(image)
    flat = pixels.reshape(-1, 3)
    for start in range(0, len(flat), _BLOCK):
        _turn(flat[start : start + _BLOCK], np.float32(6 * shift))
    return Image.fromarray(pixels)


def _turn(pixels: Pixels, sixths: np.float32) -> None:
    """Turn the hues of n x 3 pixels in place, in sixths of the circle; one pass per channel, none per sector."""
    red, green, blue = np.ascontiguousarray(pixels.T).astype(np.float32)
    most, least = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    chroma = most - least
    is_red, is_green = most == red, most == green
    hue = np.where(is_red, green - blue, np.where(is_green, blue - red, red - green))
    hue /= np.maximum(chroma, 1)
    hue += np.where(is_red, np.float32(0), np.where(is_green, np.float32(2), np.float32(4)))
    hue += sixths
    hue -= 6 * np.floor(hue / 6)
    least += np.float32(0.5)
    for channel, (centre, sign, most_of) in enumerate(((3, 1, -1), (2, -1, 2), (4, -1, 2))):
        level = np.abs(hue - centre)
        level *= sign
        level += most_of
        level = level.clip(0, 1)
        level *= chroma
        level += least
        pixels[:, channel] = level


def _greys(image: Image.Image) -> Image.Image:
    return image.convert("L").convert("RGB")


def grey(image: Image.Image, chosen: Chosen, rng: np.random.Generator) -> Image.Image:
    """Luma alone (ITU-R 601-2)."""
    del chosen, rng
    return _greys(image)


def blur(image: Image.Image, chosen: Chosen, rng: np.random.Generator) -> Image.Image:
    """Pillow's Gaussian blur, which is three box blurs, of standard deviation `radius` pixels.

    From radius 2 on it blurs the picture at half its size, in half the time; half a level of 255 from the other on average.
    """
    del rng
    radius = chosen["radius"]
    if radius < 2:
        return image.filter(ImageFilter.GaussianBlur(radius))
    # Halving and enlarging blur a little themselves: a variance of about 0.6 pixels.
    half = image.reduce(2).filter(ImageFilter.GaussianBlur(math.sqrt(radius**2 - 0.6) / 2))
    return half.resize(image.size, Image.Resampling.BILINEAR, box=(0, 0, image.width / 2, image.height / 2))


def downscale(image: Image.Image, chosen: Chosen, rng: np.random.Generator) -> Image.Image:
    """Average over squares of `factor` pixels, then enlarge to the old size, in blocks or (`smooth`) bilinearly."""
    del rng
    small = tuple(max(1, round(side / chosen["factor"])) for side in image.size)
    way = Image.Resampling.BILINEAR if chosen["smooth"] else Image.Resampling.NEAREST
    return image.resize((small[0], small[1]), Image.Resampling.BOX).resize(image.size, way)


def crop(image: Image.Image, chosen: Chosen, rng: np.random.Generator) -> Image.Image:
    """A window of share `area` at a random place, with about the picture's aspect; it is not enlarged."""
    short, long = sorted(image.size)
    small = max(1, round(short * math.sqrt(chosen["area"])))
    large = min(long, max(1, round(short * long * chosen["area"] / small)))
    if (small, large) == (short, long):
        large = max(1, long - 1)
    width, height = (small, large) if image.width == short else (large, small)
    left, top = (int(rng.integers(room + 1)) for room in (image.width - width, image.height - height))
    return image.crop((left, top, left + width, top + height))


def erase(image: Image.Image, chosen: Chosen, rng: np.random.Generator) -> Image.Image:
    """Fill `boxes` rectangles, together of share `area` where they do not overlap, with the picture's mean colour.

    Their height is 0.3 to 3.3 times their width, as in Random Erasing.
    """
    pixels = np.array(image)
    height, width = pixels.shape[:2]
    mean, size = _mean(pixels), height * width * chosen["area"] / chosen["boxes"]
    for _ in range(int(chosen["boxes"])):
        tall = min(height, max(1, round(math.sqrt(size * math.exp(rng.uniform(_SLIMMEST, -_SLIMMEST))))))
        wide = min(width, max(1, round(size / tall)))
        top, left = rng.integers(height - tall + 1), rng.integers(width - wide + 1)
        pixels[top : top + tall, left : left + wide] = mean
    return Image.fromarray(pixels)


def patches(image: Image.Image, chosen: Chosen, rng: np.random.Generator) -> Image.Image:
    """Fill a share of the squares that a vision transformer would read as tokens with the picture's mean colour."""
    pixels = np.array(image)
    side = _side(image, chosen)
    rows, columns = (-(-length // side) for length in pixels.shape[:2])
    number = max(1, round(chosen["share"] * rows * columns))
    masked = (rng.permutation(rows * columns) < number).reshape(rows, columns)
    pixels[masked.repeat(side, 0).repeat(side, 1)[: image.height, : image.width]] = _mean(pixels)
    return Image.fromarray(pixels)


def shuffle(image: Image.Image, chosen: Chosen, rng: np.random.Generator) -> Image.Image:
    """Put the whole squares of the picture into a random order; what is left at the right and below stays."""
    pixels = np.array(image)
    side = _side(image, chosen)
    rows, columns = (length // side for length in pixels.shape[:2])
    part = pixels[: rows * side, : columns * side]
    squares = part.reshape(rows, side, columns, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)
    squares = squares[rng.permutation(rows * columns)].reshape(rows, columns, side, side, 3)
    part[:] = squares.swapaxes(1, 2).reshape(part.shape)
    return Image.fromarray(pixels)


def rotate(image: Image.Image, chosen: Chosen, rng: np.random.Generator) -> Image.Image:
    """Turn by `degrees` against the clock. Right angles keep every pixel; others fill the corners with the mean colour."""
    del rng
    degrees = chosen["degrees"]
    if degrees in _TURNS:
        return image.transpose(_TURNS[int(degrees)])
    red, green, blue = (int(level) for level in _mean(np.asarray(image)))
    return image.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=(red, green, blue))


def flip(image: Image.Image, chosen: Chosen, rng: np.random.Generator) -> Image.Image:
    """Mirror left and right, or (`vertical`) top and bottom."""
    del rng
    return image.transpose(Image.Transpose.FLIP_TOP_BOTTOM if chosen["vertical"] else Image.Transpose.FLIP_LEFT_RIGHT)


def _side(image: Image.Image, chosen: Chosen) -> int:
    """Side of the squares: less than `patch` where the picture would not hold two of them."""
    short, long = sorted(image.size)
    return max(1, min(int(chosen["patch"]), short, long // 2))


def _mean(pixels: Pixels) -> Pixels:
    """The mean colour, rounded."""
    number = pixels.shape[0] * pixels.shape[1]
    # By rows first: numpy sums a contiguous axis twenty times faster.
    total = pixels.sum(0, dtype=np.int64).sum(0)
    return np.asarray((2 * total + number) // (2 * number), dtype=np.uint8)
