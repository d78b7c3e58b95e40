"""Several files at once: most are small, and wait for the store rather than send."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ratchet.store.base import Store

_AT_ONCE = 4


def put_files(store: Store, files: Mapping[str, Path]) -> None:
    """Send local files by key, the largest first. Returns when all are there, or raises what the first that failed raises, once
    those under way have ended; the rest is not begun."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="ratchet-put") as pool:
        order = sorted(files, key=lambda key: -files[key].stat().st_size)
        under_way = [pool.submit(store.put_file, key, files[key]) for key in order]
        try:
            for one in under_way:
                one.result()
        finally:
            pool.shutdown(cancel_futures=True)
