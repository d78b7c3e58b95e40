"""Object storage without ratchet: boto3's managed transfers, as well tuned as ours.

python -m bench.bare_store BUCKET FILE        (endpoint and keys from the environment)
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

MEBIBYTE = 1 << 20


class BareTransfers:
    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self.transfer = TransferConfig(
            multipart_threshold=16 * MEBIBYTE,
            multipart_chunksize=8 * MEBIBYTE,
            max_concurrency=10,
            io_chunksize=MEBIBYTE,
        )
        settings = Config(max_pool_connections=32, tcp_keepalive=True, s3={"addressing_style": "path"})
        self.client = boto3.client("s3", config=settings)

    def upload(self, path: Path, key: str) -> None:
        self.client.upload_file(str(path), self.bucket, key, Config=self.transfer)

    def download(self, key: str, path: Path) -> None:
        self.client.download_file(self.bucket, key, str(path), Config=self.transfer)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("bucket")
    arguments.add_argument("file", type=Path)
    given = arguments.parse_args()
    bare = BareTransfers(given.bucket)
    size = given.file.stat().st_size / MEBIBYTE
    start = time.perf_counter()
    bare.upload(given.file, "bare")
    print(f"up {size / (time.perf_counter() - start):.0f} MiB/s")
    start = time.perf_counter()
    bare.download("bare", given.file.with_suffix(".copy"))
    print(f"down {size / (time.perf_counter() - start):.0f} MiB/s")
