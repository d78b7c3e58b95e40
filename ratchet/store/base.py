"""The protocol that every store keeps, and the rules for keys and URIs that they share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from os import PathLike
from typing import BinaryIO, Protocol, runtime_checkable

from ratchet.errors import StoreError

# S3 allows 1,024 bytes in a key and file systems 255 in a name; the rest of the name is for our temporary files.
KEY_BYTES = 1024
PART_BYTES = 200
RESERVED = ".~"


@dataclass(frozen=True, slots=True)
class Stat:
    """One object: `size` in bytes, opaque `etag` that differs if the bytes do, `modified` by the store's clock."""

    uri: str
    size: int
    etag: str
    modified: datetime


@runtime_checkable
class Store(Protocol):
    """Objects by key below one root. A key is a relative posix path: no "..", no leading or trailing "/".

    Every method raises StoreError for a bad key or a refusal, and StoreUnavailable when the store did not answer after
    all retries. A write that ends in StoreUnavailable may have happened: writing the same again is always safe.
    Readers see an object whole or not at all. Stores may be shared by threads and pickled to other processes.
    """

    @property
    def root(self) -> str:
        """URI of this store, without a trailing slash."""
        ...

    def uri(self, key: str) -> str:
        """The absolute address of `key`."""
        ...

    def key(self, uri: str) -> str:
        """Inverse of `uri`. Raises StoreError when the address lies outside of this root."""
        ...

    def sub(self, prefix: str) -> Store:
        """The same store seen from the folder `prefix`."""
        ...

    def put(self, key: str, data: bytes) -> Stat:
        """Write or replace an object."""
        ...

    def put_file(self, key: str, path: str | PathLike[str]) -> Stat:
        """Write or replace an object from a local file, of any size."""
        ...

    def put_if(self, key: str, data: bytes, *, absent: bool = False, etag: str | None = None) -> Stat:
        """Write only if there is no such object (`absent`) or it still has this `etag`; exactly one must be given.

        Raises Conflict when somebody else was first. Two writers of identical bytes cannot always be told apart when
        the network fails between them: put something unique into what must have one winner.
        """
        ...

    def get(self, key: str) -> bytes:
        """The whole object. Raises NotFound."""
        ...

    def get_file(self, key: str, path: str | PathLike[str]) -> Stat:
        """Download to a local file, which appears whole or not at all. Raises NotFound."""
        ...

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """`length` bytes from byte `start`, fewer where the object ends. Raises NotFound."""
        ...

    def stat(self, key: str) -> Stat | None:
        """What is known about an object without reading it; None when there is none."""
        ...

    def exists(self, key: str) -> bool:
        """Whether there is an object at `key`. A folder is not an object."""
        ...

    def list(self, prefix: str = "") -> Iterator[Stat]:
        """Objects whose key begins with `prefix` (plain text, as on S3), sorted by key, without holding them all."""
        ...

    def folders(self, prefix: str = "") -> Sequence[str]:
        """Names of the folders right below `prefix`, which is empty or ends in "/", sorted; what lies in them is not listed.

        A server may still name one whose objects were all deleted.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove an object; quiet when there is none."""
        ...

    def open(self, key: str) -> BinaryIO:
        """A seekable file that reads ranges on demand, so that Parquet readers fetch only what they need.

        Raises NotFound. When the object is replaced meanwhile, reading raises Conflict (S3) or goes on in the old bytes
        (folder); it never mixes both.
        """
        ...


def check_key(key: str) -> str:
    """The key itself, if it is one. Raises StoreError that names the broken rule."""
    rule = _broken_rule(key)
    if rule:
        raise StoreError(f"{key!r} is not a store key: {rule}; use a relative path such as 'rounds/0007/manifest.json'")
    return key


def check_prefix(prefix: str) -> str:
    """A prefix may be empty or end anywhere, but must not lead out of the root."""
    if prefix:
        check_key(prefix.removesuffix("/"))
    return prefix


def check_folder(prefix: str) -> str:
    """A prefix that names a folder, or the root. Raises StoreError."""
    if prefix and not prefix.endswith("/"):
        raise StoreError(f"{prefix!r} names no folder: let it end in '/', or be empty")
    return check_prefix(prefix)


def _broken_rule(key: str) -> str | None:
    if not key:
        return "it is empty"
    if key.startswith("/") or key.endswith("/"):
        return "it begins or ends with '/'"
    if any(ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) < 0xE000 for c in key) or "\\" in key:
        return "it holds a control character, a surrogate or a backslash"
    if len(key.encode()) > KEY_BYTES:
        return f"it is longer than {KEY_BYTES} bytes"
    for part in key.split("/"):
        if part in ("", ".", ".."):
            return f"it has the part {part!r}"
        if part.startswith(RESERVED):
            return f"parts that begin with {RESERVED!r} are kept for temporary files"
        if len(part.encode()) > PART_BYTES:
            return f"one part is longer than {PART_BYTES} bytes"
    return None


def check_condition(absent: bool, etag: str | None) -> None:
    """Exactly one condition makes a conditional put. Raises StoreError."""
    if absent == (etag is not None):
        raise StoreError(f"put_if got absent={absent} and etag={etag!r}: give absent=True or an etag, not both")


def check_range(start: int, length: int) -> None:
    if start < 0 or length < 0:
        raise StoreError(f"cannot read {length} bytes from byte {start}: neither may be negative")


def local_size(path: str | PathLike[str]) -> int:
    """Bytes in a local file that is to be sent. Raises StoreError when it is not one."""
    try:
        if not os.path.isfile(path):
            raise StoreError(f"cannot send {os.fspath(path)!r}: it is not a file; pack a folder's files one by one")
        return os.stat(path).st_size
    except OSError as error:
        raise StoreError(f"cannot send {os.fspath(path)!r}: {error.strerror}") from error


def join(uri: str, *parts: str) -> str:
    """`uri` with checked keys appended: join("s3://b/x", "y", "z.json") is "s3://b/x/y/z.json"."""
    return "/".join([uri.rstrip("/"), *(check_key(part) for part in parts)])


def key_below(root: str, uri: str) -> str:
    """The key of `uri` in the store at `root`. Raises StoreError when it lies outside."""
    if not uri.startswith(root.rstrip("/") + "/"):
        raise StoreError(f"{uri!r} is not inside of {root!r}: open the store that it belongs to")
    return check_key(uri[len(root.rstrip("/")) + 1 :])


def open_store(root_uri: str) -> Store:
    """The store at `s3://bucket[/prefix]`, `file:///absolute/path` or a plain path. Nothing is contacted or made yet.

    A file URI is taken literally, without percent-decoding. Raises StoreError for any other scheme.
    """
    if root_uri.startswith("s3://"):
        from ratchet.store.s3 import S3Store

        return S3Store(root_uri)
    scheme = root_uri.partition(":")[0].lower() if ":" in root_uri.partition("/")[0] else ""
    if root_uri.startswith("file:///") or (root_uri and not scheme):
        from ratchet.store.folder import FolderStore

        return FolderStore(root_uri)
    raise StoreError(f"cannot open {root_uri!r} as a store: use s3://bucket/prefix, file:///absolute/path or a path")
