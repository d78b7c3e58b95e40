"""A first contact with a store that proves that it can carry a loop."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ratchet.errors import Conflict, StoreError
from ratchet.store.base import Store

PROBES = "preflight"
_BYTES = b"ratchet was here"


def preflight(store: Store) -> None:
    """Everything that a loop asks of a store, on probes below `preflight/` that are gone at the end.

    Raises StoreError when the store ignores conditional puts: lease and ledgers would then lose writes without a word.
    Also raises what the single steps raise, such as StoreError for a missing bucket or a refused key.
    """
    reads_and_writes(store)
    keeps_conditions(store)
    takes_parts(store)


def reads_and_writes(store: Store) -> None:
    """Write, read whole and in part, look at, list and delete a probe. Raises StoreError for what is refused or comes back changed."""
    with _probe(store) as key:
        store.put(key, _BYTES)
        found = store.stat(key)
        listed = [one.uri for one in store.list(key)]
        if found is None or store.get(key) != _BYTES or store.get_range(key, 8, 3) != _BYTES[8:11]:
            raise StoreError(f"{store.uri(key)} does not read back as it was written: the store is not consistent")
        if listed != [store.uri(key)]:
            raise StoreError(
                f"{store.uri(key)} was written, but listing {store.root} does not show it: allow s3:ListBucket for the prefix"
            )
        store.delete(key)
        if store.exists(key):
            raise StoreError(
                f"{store.uri(key)} is still there after its deletion: allow s3:DeleteObject in {store.root}"
            )


def keeps_conditions(store: Store) -> None:
    """Put with conditions that hold and that do not. Raises StoreError for a store that ignores them."""
    with _probe(store) as key:
        written = store.put_if(key, b"one", absent=True)
        _refuses(store, key, absent=True, etag=None)
        _refuses(store, key, absent=False, etag="0" * len(written.etag))
        swapped = store.put_if(key, b"two", etag=written.etag)
        _refuses(store, key, absent=False, etag=written.etag)
        if store.get(key) != b"two" or [found.etag for found in store.list(key)] != [swapped.etag]:
            raise StoreError(f"{store.uri(key)} does not read back as it was written: the store is not consistent")


def takes_parts(store: Store) -> None:
    """Upload a probe in parts, as models and shards come, and break off another upload. Quiet where a store has no parts.

    Raises StoreError, also for a broken-off upload that leaves an object or parts that are paid for.
    """
    if not store.root.startswith("s3://"):
        return
    from ratchet.store.s3_parts import Parts

    parts = Parts(store)
    with _probe(store) as key:
        parts.upload(key, _BYTES)
        if store.get(key) != _BYTES:
            raise StoreError(f"{store.uri(key)}, uploaded in parts, does not read back as it was written")
    with _probe(store) as key:
        parts.abandon(key, _BYTES)
        if store.exists(key):
            raise StoreError(
                f"{store.uri(key)} is there although its upload was broken off: the server does not keep S3's rules"
            )


@contextmanager
def _probe(store: Store) -> Iterator[str]:
    """A key of its own, and nothing there afterwards."""
    key = f"{PROBES}/{uuid.uuid4().hex}"
    try:
        yield key
    except BaseException:
        with suppress(StoreError):
            store.delete(key)
        raise
    store.delete(key)


def _refuses(store: Store, key: str, *, absent: bool, etag: str | None) -> None:
    try:
        store.put_if(key, b"three", absent=absent, etag=etag)
    except Conflict:
        return
    header = "If-None-Match" if absent else "If-Match"
    raise StoreError(
        f"{store.root} ignores conditional puts ({header}): two runs could both believe to own a loop. Use a "
        "server that keeps them, such as AWS S3, MinIO, Ceph (Squid or later) or SeaweedFS"
    )
