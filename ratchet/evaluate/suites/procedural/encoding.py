"""PNG bytes that are the same everywhere: deflate's output differs between zlib versions, and an item's id hashes its pictures.

Only one thing is compressed: bytes that repeat those three before them, which is what flat colours do, and that by
deflate's fixed codes (RFC 1951, section 3.2.6).
"""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import numpy.typing as npt
from PIL import Image

from ratchet.tinyworld.draw import png as stored_png

Pixels = npt.NDArray[np.uint8]
_NOISY = 16_000
"""Up to so many pixels a picture may be noise: those of the tiny world are, and are stored as they stand."""
_BACK = 3
_LONGEST = 258
_SHORTEST = 3
_UP = 2


def png(pixels: Pixels) -> bytes:
    """The picture (rows x columns x RGB) as PNG."""
    height, width = pixels.shape[:2]
    if height * width <= _NOISY:
        return stored_png(Image.fromarray(pixels))
    flat = pixels.reshape(height, 3 * width)
    lines = np.empty((height, 1 + 3 * width), dtype=np.uint8)
    lines[:, 0] = _UP
    lines[0, 1:] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=lines[1:, 1:])
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = b"\x78\x01" + _deflated(lines.ravel()) + struct.pack(">I", zlib.adler32(lines.data))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def jpeg(pixels: Pixels, quality: int = 80) -> bytes:
    """The picture as JPEG, which loses a little. libjpeg decides on the bytes."""
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "JPEG", quality=quality, subsampling=0)
    return sink.getvalue()


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _reversed(code: int, bits: int) -> int:
    return int(f"{code:0{bits}b}"[::-1], 2)


def _symbol(symbol: int) -> tuple[int, int]:
    """(code, bits) of a literal or length in deflate's fixed table, ready to be written from the low bit."""
    for first, last, base, bits in ((0, 143, 0x30, 8), (144, 255, 0x190, 9), (256, 279, 0, 7), (280, 287, 0xC0, 8)):
        if first <= symbol <= last:
            return _reversed(base + symbol - first, bits), bits
    raise ValueError(f"deflate has no symbol {symbol}; symbols are 0 to 287")


def _length(length: int) -> tuple[int, int]:
    """(code, bits) of a match of that length, three bytes back."""
    if length == _LONGEST:
        code, bits = _symbol(285)
        extra = 0
    else:
        extra = max((length - 3).bit_length() - 3, 0)
        base = length - 3 if extra == 0 else 4 * extra + ((length - 3) >> extra)
        code, bits = _symbol(257 + base)
        code |= ((length - 3) & ((1 << extra) - 1)) << bits
    bits += extra
    return code | _reversed(_BACK - 1, 5) << bits, bits + 5


_LITERALS = np.array([_symbol(value) for value in range(256)], dtype=np.int64)
_MATCHES = np.array([(0, 0)] * _SHORTEST + [_length(n) for n in range(_SHORTEST, _LONGEST + 1)], dtype=np.int64)


def _deflated(body: Pixels) -> bytes:
    """One block of fixed codes: bytes that differ from those three before as they stand, and matches between them."""
    alone = np.concatenate([np.arange(_BACK), np.flatnonzero(body[_BACK:] != body[:-_BACK]) + _BACK])
    ends = np.append(alone[1:], len(body))
    starts = alone + 1
    whole, rest = np.divmod(ends - starts, _LONGEST)
    matched = rest >= _SHORTEST
    # What is left of a run and too short for a match stands as it is.
    left = [ends[~matched & (rest >= n)] - n for n in range(1, _SHORTEST)]
    literals = np.concatenate([alone, *left])
    full = np.repeat(starts, whole) + _LONGEST * _ranks(whole)
    places = np.concatenate([literals, full, (starts + whole * _LONGEST)[matched]])
    codes = np.concatenate(
        [_LITERALS[body[literals]], np.repeat(_MATCHES[[_LONGEST]], len(full), axis=0), _MATCHES[rest[matched]]]
    )
    return _packed(codes[np.argsort(places, kind="stable")])


def _ranks(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """0 .. n-1 for each n, one after the other."""
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)


def _packed(codes: npt.NDArray[np.int64]) -> bytes:
    """(code, bits) after the block's head (last, fixed codes) and before its end, as bytes."""
    stream = np.vstack([[(0b011, 3)], codes, [_symbol(256)]])
    ends = np.cumsum(stream[:, 1])
    first = ends - stream[:, 1]
    # A code has at most 18 bits, so that with its place in the first byte it lies in four. Bits never overlap: or is plus.
    shifted, at = stream[:, 0] << (first & 7), first >> 3
    size = int(ends[-1] + 7) >> 3
    found = sum(np.bincount(at + byte, shifted >> 8 * byte & 255, minlength=size + 4) for byte in range(4))
    return np.asarray(found)[:size].astype(np.uint8).tobytes()
