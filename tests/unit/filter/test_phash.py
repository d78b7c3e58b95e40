import io

import numpy as np
import pytest
from PIL import Image

from ratchet.filter.phash import Hashes, bits_of, distance, phash


def photo(seed: int, side: int = 64) -> Image.Image:
    """A smooth random picture: coarse noise, scaled up."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def as_jpeg(image: Image.Image) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    return Image.open(io.BytesIO(out.getvalue()))


def test_a_hash_is_16_hex_digits_the_same_on_every_host() -> None:
    rows, columns = np.arange(96)[:, None], np.arange(96)[None, :]
    image = Image.fromarray(((rows * 7 + columns**2 * 3) % 256).astype(np.uint8))
    assert phash(image) == "19e01aa4185befdb"


@pytest.mark.parametrize("seed", range(5))
def test_pictures_that_look_alike_are_near_and_others_far(seed: int) -> None:
    image = photo(seed)
    for alike in (as_jpeg(image), image.resize((200, 200)), image.resize((40, 40)), image.point(lambda v: v * 0.9)):
        assert distance(phash(image), phash(alike)) <= 6
    assert distance(phash(image), phash(photo(seed + 100))) >= 16


def test_any_mode_and_size_can_be_hashed() -> None:
    for mode in ("L", "RGB", "RGBA", "P", "1", "CMYK"):
        assert 0 <= bits_of(Image.new(mode, (1, 1))) < 2**64


def test_a_blank_picture_has_no_bits() -> None:
    assert bits_of(Image.new("RGB", (50, 50), (7, 8, 9))).bit_count() <= 32


def test_a_picture_is_opened_once() -> None:
    class Bank:
        opened = 0

        def image(self, sha256: str) -> Image.Image:
            self.opened += 1
            return photo(int(sha256))

    bank = Bank()
    hashes = Hashes(bank, remembered=2)
    assert [hashes.of("1"), hashes.of("1")] == [bits_of(photo(1))] * 2
    assert bank.opened == 1
    hashes.of("2"), hashes.of("3"), hashes.of("1")
    assert bank.opened == 4
