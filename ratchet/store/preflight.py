"""A first contact with a store that proves that it can carry a loop."""

from __future__ import annotations

import uuid
from contextlib import suppress

from ratchet.errors import Conflict, StoreError
from ratchet.store.base import Store

PROBES = "preflight"


def preflight(store: Store) -> None:
    """Write, read, list and delete a probe below `preflight/`, with and without conditions.

    Raises StoreError when the store ignores conditional puts: lease and ledgers would then lose writes without a word.
    Also raises what the single steps raise, such as StoreError for a missing bucket or a refused key.
    """
    key = f"{PROBES}/{uuid.uuid4().hex}"
    try:
        written = store.put_if(key, b"one", absent=True)
        _refuses(store, key, absent=True, etag=None)
        _refuses(store, key, absent=False, etag="0" * len(written.etag))
        swapped = store.put_if(key, b"two", etag=written.etag)
        _refuses(store, key, absent=False, etag=written.etag)
        if store.get(key) != b"two" or [found.etag for found in store.list(key)] != [swapped.etag]:
            raise StoreError(f"{store.uri(key)} does not read back as it was written: the store is not consistent")
    finally:
        with suppress(StoreError):
            store.delete(key)
    if store.exists(key):
        raise StoreError(f"{store.uri(key)} is still there after its deletion: allow s3:DeleteObject in {store.root}")


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
