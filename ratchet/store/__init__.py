"""Where bytes live: a local folder or an S3 bucket, behind one small protocol.

`open_store` turns a URI into a `Store`; every part of ratchet talks to that protocol only. boto3 is imported when the
first S3 store is opened, so importing this package stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ratchet.store.base import Stat, Store, join, open_store
from ratchet.store.folder import FolderStore
from ratchet.store.preflight import preflight

if TYPE_CHECKING:
    from ratchet.store.s3 import S3Store

__all__ = ["FolderStore", "S3Store", "Stat", "Store", "join", "open_store", "preflight"]


def __getattr__(name: str) -> Any:
    if name == "S3Store":
        from ratchet.store.s3 import S3Store

        return S3Store
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
