"""Uploads in parts, step by step, which boto3's transfers do only for large files: what preflight tries with a few bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from ratchet.errors import StoreError
from ratchet.store.base import Store
from ratchet.store.s3_client import make_client, split_uri
from ratchet.store.s3_errors import code_of, translate

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_GONE = ("NoSuchUpload", "404")


def uploaded(store: Store, key: str, data: bytes) -> None:
    """Write `key` as an upload of one part. Raises StoreError."""
    bucket, name = split_uri(store.uri(key))
    with _parts(store, key) as client:
        number = client.create_multipart_upload(Bucket=bucket, Key=name)["UploadId"]
        part = client.upload_part(Bucket=bucket, Key=name, UploadId=number, PartNumber=1, Body=data)
        client.complete_multipart_upload(
            Bucket=bucket,
            Key=name,
            UploadId=number,
            MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
        )


def abandoned(store: Store, key: str, data: bytes) -> None:
    """Begin an upload of `key`, send a part, and break it off. Raises StoreError, also when its parts are still there."""
    bucket, name = split_uri(store.uri(key))
    with _parts(store, key) as client:
        number = client.create_multipart_upload(Bucket=bucket, Key=name)["UploadId"]
        client.upload_part(Bucket=bucket, Key=name, UploadId=number, PartNumber=1, Body=data)
        client.abort_multipart_upload(Bucket=bucket, Key=name, UploadId=number)
        try:
            left = client.list_parts(Bucket=bucket, Key=name, UploadId=number).get("Parts", [])
        except ClientError as error:
            if code_of(error) in _GONE:
                return
            # Rights to list parts are asked for nowhere else, so their lack proves nothing.
            left = []
        if left:
            raise StoreError(
                f"{store.uri(key)}: an upload that was broken off keeps {len(left)} parts, which nobody deletes"
            )


@contextmanager
def _parts(store: Store, key: str) -> Iterator[S3Client]:
    client = make_client()
    try:
        yield client
    except (BotoCoreError, Boto3Error, ClientError) as error:
        bucket, endpoint = split_uri(store.root)[0], client.meta.endpoint_url
        said = translate(error, store.uri(key), bucket, endpoint)
        raise StoreError(
            f"uploads in parts (multipart) are refused: {said}; allow also s3:AbortMultipartUpload"
        ) from error
