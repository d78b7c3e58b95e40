"""Pictures of a row: fetched, checked before and while they are unpacked, and described.

The encoded bytes are kept as they are. What is unusual is accepted and noted: `rotated` (EXIF orientation; readers turn
it upright), `animated` (the first frame is what models see), `cmyk` (readers convert it to RGB), `transparent` (readers drop
the alpha channel). Grey pictures of 16 or 32 bits are refused: readers would clip nearly all of their values to white.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from ratchet import canonical
from ratchet.artifacts.images import MEDIA_TYPES
from ratchet.errors import NotFound, StoreError
from ratchet.importing.options import RowRefused
from ratchet.importing.tables import Source, Table
from ratchet.records import ImageRef
from ratchet.store.base import check_key

if TYPE_CHECKING:
    from PIL.Image import Image

ORIENTATION = 0x0112
FILE_BYTES = 256 << 20


@dataclass(frozen=True)
class Seen:
    """What is remembered of a picture once its bytes are let go."""

    ref: ImageRef
    size: int
    notes: tuple[str, ...]


class Pictures:
    """Looks at each picture of a source once, however many rows show it. Safe to share between threads.

    With `remember` False it keeps nothing, for sources that show hardly a picture twice.
    """

    def __init__(
        self, source: Source, max_pixels: int, remember: bool = True, forgotten: frozenset[str] = frozenset()
    ) -> None:
        self._source, self._forgotten = source, forgotten
        self._max_pixels = max_pixels
        self._remember = remember
        self._by_path: dict[str, Seen | RowRefused] = {}
        self._by_hash: dict[str, Seen] = {}

    def look(self, table: Table, value: Any) -> Seen:
        """Describe the picture that a row gives. Raises RowRefused."""
        path = path_of(value)
        if path is None or not self._remember:
            return self._describe(fetch(self._source, table, value))
        key = f"{table.folder}/{path}"
        if key not in self._by_path:
            try:
                self._by_path[key] = self._describe(fetch(self._source, table, value))
            except RowRefused as refusal:
                self._by_path[key] = refusal
        known = self._by_path[key]
        if isinstance(known, RowRefused):
            raise RowRefused(known.reason, known.detail)
        return known

    def _describe(self, data: bytes) -> Seen:
        sha256 = canonical.sha256(data)
        if sha256 in self._forgotten:
            raise RowRefused("forgotten", f"the picture {sha256} was taken out with `ratchet forget`, and stays out.")
        if not self._remember:
            return describe(data, sha256, self._max_pixels)
        if sha256 not in self._by_hash:
            self._by_hash[sha256] = describe(data, sha256, self._max_pixels)
        return self._by_hash[sha256]


def values_of(values: Sequence[Any]) -> list[Any]:
    """The pictures that the image columns hold: one or a list in each; JSON lists in text are unpacked."""
    found: list[Any] = []
    for value in values:
        if isinstance(value, str) and value.startswith("["):
            try:
                value = orjson.loads(value)
            except orjson.JSONDecodeError as error:
                raise RowRefused("wrong_type", f"the list of pictures {value[:80]!r} is not JSON: {error}.") from error
        found.extend(value if isinstance(value, list) else [value])
    return [value for value in found if value is not None and value != ""]


def path_of(value: Any) -> str | None:
    """The relative path of a picture that is given by one; None where the bytes are in the row."""
    if isinstance(value, Mapping):
        return None if value.get("bytes") is not None else value.get("path")
    return value if isinstance(value, str) and not value.startswith("data:") else None


def fetch(source: Source, table: Table, value: Any) -> bytes:
    """Encoded bytes of a picture. Raises RowRefused for what is missing, outside of the source, or no picture at all."""
    if isinstance(value, Mapping) and value.get("bytes") is not None:
        value = value["bytes"]
        value = f"data:;base64,{value}" if isinstance(value, str) else value
    if isinstance(value, bytes):
        return value
    path = path_of(value)
    if isinstance(path, str):
        return _read(source, table, path)
    if isinstance(value, str):
        try:
            return base64.b64decode(value.partition(",")[2], validate=True)
        except ValueError as error:  # binascii.Error is one; text beyond ASCII raises another
            raise RowRefused("unreadable_picture", f"the picture in the row is not base64: {error}.") from error
    raise RowRefused(
        "wrong_type", f"a picture is given as {type(value).__name__}; give a path, bytes, or {{bytes, path}}."
    )


def _read(source: Source, table: Table, path: str) -> bytes:
    key = path if path.startswith("/") else f"{table.folder}/{path.removeprefix('./')}".removeprefix("/")
    try:
        check_key(key)
    except StoreError as error:
        raise RowRefused("path_outside", f"{path!r} is no path inside of the source: {error}.") from error
    if source.leads_out(key):
        raise RowRefused("path_outside", f"{path!r} is a link that leads out of the source; replace it with a copy.")
    try:
        with source.store.open(key) as file:
            # Not read(FILE_BYTES): that would set so much memory aside for each.
            large = file.seek(0, io.SEEK_END) > FILE_BYTES
            file.seek(0)
            data = b"" if large else file.read()
    except NotFound as error:
        raise RowRefused("missing_picture", f"no picture at {path!r}, relative to {table.name}.") from error
    except StoreError as error:
        if source.local is None:  # the server's trouble, not the row's
            raise
        raise RowRefused("unreadable_picture", f"{error}.") from error
    if large:
        raise RowRefused("giant_picture", f"{path!r} has more than {FILE_BYTES} bytes. Scale it down first.")
    return data


def describe(data: bytes, sha256: str, max_pixels: int) -> Seen:
    """Check a picture fully, without unpacking more than `max_pixels`. Raises RowRefused."""
    if not data:
        raise RowRefused("empty_picture", "the picture has no bytes.")
    image = _unpack(data, max_pixels)
    ref = ImageRef(sha256=sha256, media_type=MEDIA_TYPES[image.format or ""], width=image.width, height=image.height)
    return Seen(ref, len(data), tuple(_notes(image)))


def _unpack(data: bytes, max_pixels: int) -> Image:
    from PIL import Image as pil
    from PIL import UnidentifiedImageError

    try:
        # Only the formats that are accepted: others run programs (EPS) or have been Pillow's holes.
        image = pil.open(io.BytesIO(data), formats=[f for f in MEDIA_TYPES if f != "MPO"])
        if not image.width or not image.height:
            raise RowRefused("empty_picture", f"the picture is {image.width}x{image.height} pixels.")
        if image.width * image.height > max_pixels:
            raise RowRefused(
                "giant_picture",
                f"{image.width}x{image.height} pixels; the limit is {max_pixels}. Scale it down, or raise max_pixels.",
            )
        image.load()
    except (pil.DecompressionBombError, pil.DecompressionBombWarning) as error:
        raise RowRefused("giant_picture", f"{error}") from error
    except RowRefused:
        raise
    except (
        Exception
    ) as error:  # on hostile bytes Pillow's parsers raise nearly anything: struct.error, KeyError, EOFError
        why = f"they begin with {data[:8]!r}" if isinstance(error, UnidentifiedImageError) else error
        raise RowRefused(
            "unreadable_picture", f"{len(data)} bytes are no picture of {', '.join(MEDIA_TYPES)}: {why}."
        ) from error
    if image.mode.startswith(("I", "F")):
        raise RowRefused(
            "deep_picture",
            f"its values have 16 or 32 bits (mode {image.mode}) and would be clipped; convert it to 8 bits.",
        )
    return image


def _notes(image: Image) -> list[str]:
    notes = []
    if image.getexif().get(ORIENTATION, 1) != 1:
        notes.append("rotated")
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        notes.append("animated")
    if image.mode == "CMYK":
        notes.append("cmyk")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        notes.append("transparent")
    return notes
