"""Image packs: Parquet files that hold each picture once, in the Hugging Face image layout with the bytes inside."""

from __future__ import annotations

import hashlib
import io
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ratchet import canonical
from ratchet.artifacts.manifest import Pack
from ratchet.artifacts.picture_index import PictureIndex, Place
from ratchet.errors import DigestMismatch, NotFound, PromptSetError, ShardUnreadable
from ratchet.records import ImageRef
from ratchet.store import Store

if TYPE_CHECKING:
    from PIL.Image import Image

PACK_SCHEMA = pa.schema(
    [
        pa.field("sha256", pa.string()),
        pa.field("image", pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])),
    ],
    metadata={
        "huggingface": '{"info": {"features": {"sha256": {"dtype": "string", "_type": "Value"}, "image": {"_type": "Image"}}}}'
    },
)
# The class below has a method `bytes`, which hides the type inside of it.
Encoded = bytes
ROW_GROUP = 256
CACHED_BYTES = 64 << 20
SPILL_BYTES = 64 << 20
MAX_PIXELS = 64_000_000
MEDIA_TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "MPO": "image/jpeg",  # a JPEG with further frames, as phones write it
}


def write_pack(store: Store, key: str, images: Iterable[tuple[str, bytes]]) -> Pack:
    """Write pictures (SHA-256, encoded bytes) into one pack at `key`; the order given is kept, repeats are dropped."""
    seen: dict[str, bytes] = dict(images)
    table = pa.table(
        [list(seen), [{"bytes": b, "path": None} for b in seen.values()]],
        schema=PACK_SCHEMA,
    )
    sink = pa.BufferOutputStream()
    # Encoded pictures do not compress; small row groups keep random reads small.
    pq.write_table(table, sink, compression="none", row_group_size=ROW_GROUP)
    data = sink.getvalue().to_pybytes()
    store.put(key, data)
    return Pack(uri=store.uri(key), size=len(data), sha256=canonical.sha256(data), images=len(seen))


def ref_of(data: bytes, max_pixels: int = MAX_PIXELS) -> ImageRef:
    """Describe an encoded picture; raises PromptSetError for what is no picture, is cut, or has too many pixels."""
    image = decode(data, max_pixels)
    media_type = MEDIA_TYPES.get(image.format or "")
    if media_type is None:
        raise PromptSetError(
            f"pictures of format {image.format} are not accepted; convert to one of {', '.join(MEDIA_TYPES)}"
        )
    return ImageRef(sha256=canonical.sha256(data), media_type=media_type, width=image.width, height=image.height)


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Image:
    """Decode fully, after a look at the header: a decompression bomb is refused before it is unpacked."""
    from PIL import Image as pil
    from PIL import UnidentifiedImageError

    try:
        # Only these: other formats run programs (EPS). Pillow finds MPO by way of JPEG.
        image = pil.open(io.BytesIO(data), formats=[f for f in MEDIA_TYPES if f != "MPO"])
        if image.width * image.height > max_pixels:
            raise PromptSetError(
                f"picture of {image.width}x{image.height} pixels; the limit is {max_pixels}. Scale it down first."
            )
        image.load()
    except (
        UnidentifiedImageError,
        OSError,
        ValueError,
        SyntaxError,
        pil.DecompressionBombError,
        pil.DecompressionBombWarning,
    ) as error:
        raise PromptSetError(f"unreadable picture of {len(data)} bytes: {error}") from error
    return image


Spill = Callable[[dict[str, Encoded]], Pack]
"""Writes pictures (SHA-256 to encoded bytes) into a pack of their own."""


class ImageBank:
    """Pictures by hash, read from packs on demand; keeps about `cached_bytes` of row groups in memory, at least one.

    The packs' hash columns are read once. A pack that is missing or cut raises ShardUnreadable, bytes that do not have
    their hash raise DigestMismatch, and a hash that no pack holds raises NotFound.
    """

    def __init__(self, store: Store, packs: Sequence[Pack], cached_bytes: int = CACHED_BYTES) -> None:
        self._store = store
        self._packs = list(packs)
        self._cached_bytes = cached_bytes
        self._sizes: dict[tuple[int, int], int] = {}
        self._footers: dict[int, Any] = {}
        self._groups: OrderedDict[tuple[int, int], dict[str, bytes]] = OrderedDict()
        self._index: PictureIndex | None = None
        self._added: dict[str, Encoded] = {}
        self._added_bytes = 0
        self.spill: Spill | None = None

    def add(self, data: Encoded, ref: ImageRef | None = None) -> ImageRef:
        """Take in a picture that is in no pack yet, and describe it, unless `ref` does.

        With `spill` set, pictures of more than SPILL_BYTES together go into a pack, from which they are read from then on.
        Raises PromptSetError for what is no picture.
        """
        described = ref or ref_of(data)
        if described.sha256 not in self:
            self._added[described.sha256] = data
            self._added_bytes += len(data)
            if self.spill is not None and self._added_bytes > SPILL_BYTES:
                self._append(self.spill(self.take_added()))
        return described

    def take_added(self) -> dict[str, Encoded]:
        """The pictures that were added and are in no pack, by hash; the bank forgets them."""
        taken, self._added, self._added_bytes = self._added, {}, 0
        return taken

    def _append(self, pack: Pack) -> None:
        self._packs.append(pack)
        self._places().add(self._groups_of(len(self._packs) - 1))

    def bytes(self, sha256: str) -> bytes:
        """Encoded bytes of a picture, checked against their hash."""
        if sha256 in self._added:
            return self._added[sha256]
        place = self._places().get(sha256)
        if place is None:
            names = ", ".join(p.uri for p in self._packs) or "none"
            raise NotFound(
                f"picture {sha256[:12]} is in none of the artifact's packs ({names}); the artifact is incomplete, make it again."
            )
        data = self._group(place)[sha256]
        if hashlib.sha256(data).hexdigest() != sha256:
            raise DigestMismatch(
                f"picture {sha256[:12]} in {self._packs[place[0]].uri} has other bytes than its hash says. Import the pictures again."
            )
        return data

    def image(self, sha256: str) -> Image:
        """Decoded picture, RGB, turned upright where EXIF says so (as `datasets` does for the trainers)."""
        from PIL import ImageOps

        return ImageOps.exif_transpose(decode(self.bytes(sha256))).convert("RGB")

    def images(self, refs: Iterable[ImageRef]) -> list[Image]:
        return [self.image(ref.sha256) for ref in refs]

    def __contains__(self, sha256: object) -> bool:
        return sha256 in self._added or (isinstance(sha256, str) and self._places().get(sha256) is not None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places())

    def _places(self) -> PictureIndex:
        if self._index is None:
            self._index = PictureIndex()
            self._index.add([part for number in range(len(self._packs)) for part in self._groups_of(number)])
        return self._index

    def _groups_of(self, number: int) -> list[tuple[Place, list[str]]]:
        """The row groups of a pack, with the hashes in them."""
        with self._opened(number) as file:
            read = (file.read_row_group(group, columns=["sha256"]) for group in range(file.num_row_groups))
            return [((number, group), table.column(0).to_pylist()) for group, table in enumerate(read)]

    @contextmanager
    def _opened(self, number: int) -> Iterator[pq.ParquetFile]:
        """A pack, open for the block only: no handle outlives its use. Size is checked, the footer is read once."""
        pack = self._packs[number]
        key = self._store.key(pack.uri)
        if number not in self._footers:
            self._check_size(pack, key)
        try:
            with self._store.open(key) as source, pq.ParquetFile(source, metadata=self._footers.get(number)) as file:
                self._footers[number] = file.metadata
                yield file
        except (pa.ArrowInvalid, OSError) as error:
            raise ShardUnreadable(
                f"image pack {pack.uri} is not a Parquet file ({error}). Import the prompt set again."
            ) from error

    def _check_size(self, pack: Pack, key: str) -> None:
        stat = self._store.stat(key)
        if stat is None:
            raise ShardUnreadable(
                f"image pack {pack.uri} is missing ({pack.images} pictures). Import the prompt set again."
            )
        if stat.size != pack.size:
            raise ShardUnreadable(
                f"image pack {pack.uri} has {stat.size} bytes, the manifest says {pack.size}: it is truncated. "
                "Import the prompt set again."
            )

    def _group(self, place: tuple[int, int]) -> dict[str, Encoded]:
        if place in self._groups:
            self._groups.move_to_end(place)
            return self._groups[place]
        with self._opened(place[0]) as file:
            table = file.read_row_group(place[1])
        shas = table.column("sha256").to_pylist()
        data = table.column("image").combine_chunks().field("bytes").to_pylist()
        self._groups[place] = dict(zip(shas, data, strict=True))
        self._sizes[place] = sum(map(len, data))
        while len(self._groups) > 1 and sum(self._sizes.values()) > self._cached_bytes:
            gone, _ = self._groups.popitem(last=False)
            del self._sizes[gone]
        return self._groups[place]
