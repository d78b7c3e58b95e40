"""The boto3 client of a store, made from the environment alone: no key is ever a parameter.

boto3's own variables hold (AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL_S3, AWS_CA_BUNDLE, AWS_RETRY_MODE, ...). Ours:
RATCHET_S3_PATH_STYLE=1|0 (default: 1 with a custom endpoint), RATCHET_S3_ATTEMPTS (default 5: tries of one request in
all), RATCHET_S3_TIMEOUT (default 60: seconds without a byte).
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Literal

import boto3
import botocore.session
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.loaders import create_loader

from ratchet.errors import StoreError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
MEBIBYTE = 1 << 20
LOADER = create_loader()
# boto3's own parts and threads hold up best on a busy machine; larger reads save a tenth of a download's CPU time.
TRANSFER = TransferConfig(
    multipart_threshold=16 * MEBIBYTE,
    multipart_chunksize=8 * MEBIBYTE,
    max_concurrency=10,
    io_chunksize=MEBIBYTE,
)


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and prefix ("" or "a/b") of an s3:// URI. Raises StoreError for a name that no server accepts."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    if not BUCKET.fullmatch(bucket):
        raise StoreError(f"{bucket!r} in {uri!r} is not a bucket: 3 to 63 of a-z, 0-9, dot and hyphen")
    return bucket, prefix.strip("/")


def attempts() -> int:
    """Tries of one request, the first included."""
    return _positive("RATCHET_S3_ATTEMPTS", 5)


class Connection:
    """One client for a store and its sub-stores; a forked process makes its own, since sockets cannot be shared."""

    def __init__(self) -> None:
        self._client: S3Client | None = None
        self._pid = 0
        self.bucket_seen = False

    def client(self) -> S3Client:
        if self._client is None or self._pid != os.getpid():
            self._client, self._pid = make_client(), os.getpid()
        return self._client

    def endpoint(self) -> str:
        return self._client.meta.endpoint_url if self._client else "S3"


def make_client() -> S3Client:
    """A client by boto3's default credential chain."""
    timeout = _positive("RATCHET_S3_TIMEOUT", 60)
    config = Config(
        retries={"mode": _retry_mode(), "total_max_attempts": attempts()},
        connect_timeout=min(timeout, 10),
        read_timeout=timeout,
        max_pool_connections=32,
        tcp_keepalive=True,
        s3={"addressing_style": _addressing()},
    )
    # A session of its own, since boto3's default one is not safe to share between threads that create clients. The
    # loader, which only caches the API's description, is shared: it is nine tenths of the time this takes.
    core = botocore.session.Session()
    core.register_component("data_loader", LOADER)
    return boto3.session.Session(botocore_session=core).client("s3", config=config)


def _retry_mode() -> Literal["standard", "adaptive"]:
    return "adaptive" if os.environ.get("AWS_RETRY_MODE") == "adaptive" else "standard"


def _addressing() -> Literal["auto", "virtual", "path"]:
    chosen = os.environ.get("RATCHET_S3_PATH_STYLE", "")
    if chosen not in ("", "0", "1"):
        raise StoreError(f"RATCHET_S3_PATH_STYLE is {chosen!r}: use 1 (host/bucket) or 0 (bucket.host)")
    custom = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if chosen:
        return "path" if chosen == "1" else "virtual"
    return "path" if custom else "auto"


def _positive(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or int(text) < 1:
        raise StoreError(f"{name} is {text!r}: use a whole number from 1")
    return int(text)
