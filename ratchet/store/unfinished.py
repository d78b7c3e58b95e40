"""What killed writers leave in a store: parts of objects that were never finished, which no listing shows and S3 bills.

Only for places where nobody writes any more: another's upload that is under way would be taken away.
"""

from __future__ import annotations

import os
from pathlib import Path

from ratchet.store.base import RESERVED, Store, check_prefix


def remove_unfinished(store: Store, prefix: str) -> int:
    """Remove the unfinished objects whose key would begin with `prefix`; how many they were. Raises StoreError."""
    check_prefix(prefix)
    if store.root.startswith("s3://"):
        return _uploads(store, prefix)
    return _files(store, prefix) if store.root.startswith("file://") else 0


def _uploads(store: Store, prefix: str) -> int:
    from botocore.exceptions import BotoCoreError, ClientError

    from ratchet.store.s3_client import Connection, split_uri
    from ratchet.store.s3_errors import translate

    bucket, below = split_uri(store.root)
    client, full, found = Connection().client(), f"{below}/{prefix}" if below else prefix, 0
    try:
        for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=full):
            for upload in page.get("Uploads", ()):
                # A server may know no prefixes here: what is not below ours is not ours.
                if upload["Key"].startswith(full):
                    client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
                    found += 1
    except (BotoCoreError, ClientError) as error:
        raise translate(error, f"s3://{bucket}/{full}", bucket, "S3") from error
    return found


def _files(store: Store, prefix: str) -> int:
    root = Path(store.root.removeprefix("file://"))
    folder, found = root / prefix, 0
    for place, _, names in os.walk(folder):
        for name in names:
            if name.startswith(RESERVED):
                (Path(place) / name).unlink(missing_ok=True)
                found += 1
    return found
