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
from ratchet.store.s3_errors import translate

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedMultipartUploadTypeDef


class Parts:
    """Uploads to one store. Methods raise StoreError."""

    def __init__(self, store: Store) -> None:
        self._store, self._client = store, make_client()

    def upload(self, key: str, data: bytes) -> None:
        """Write `key` as an upload of one part."""
        bucket, name = split_uri(self._store.uri(key))
        with self._refusals(key) as client:
            number = client.create_multipart_upload(Bucket=bucket, Key=name)["UploadId"]
            part = client.upload_part(Bucket=bucket, Key=name, UploadId=number, PartNumber=1, Body=data)
            parts: CompletedMultipartUploadTypeDef = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
            client.complete_multipart_upload(Bucket=bucket, Key=name, UploadId=number, MultipartUpload=parts)

    def abandon(self, key: str, data: bytes) -> None:
        """Begin an upload of `key`, send a part, and break it off. Also refused: parts that are still there afterwards."""
        bucket, name = split_uri(self._store.uri(key))
        with self._refusals(key) as client:
            number = client.create_multipart_upload(Bucket=bucket, Key=name)["UploadId"]
            client.upload_part(Bucket=bucket, Key=name, UploadId=number, PartNumber=1, Body=data)
            client.abort_multipart_upload(Bucket=bucket, Key=name, UploadId=number)
            left = _left(client, bucket, name, number)
        if left:
            raise StoreError(
                f"{self._store.uri(key)}: an upload that was broken off keeps {left} parts, which nobody deletes"
            )

    @contextmanager
    def _refusals(self, key: str) -> Iterator[S3Client]:
        try:
            yield self._client
        except (BotoCoreError, Boto3Error, ClientError) as error:
            bucket, endpoint = split_uri(self._store.root)[0], self._client.meta.endpoint_url
            said = translate(error, self._store.uri(key), bucket, endpoint)
            raise StoreError(
                f"uploads in parts (multipart) are refused: {said}; allow also s3:AbortMultipartUpload"
            ) from error


def _left(client: S3Client, bucket: str, name: str, number: str) -> int:
    """How many parts of an upload are there. Rights to list them are asked for nowhere else, so their lack proves nothing."""
    try:
        return len(client.list_parts(Bucket=bucket, Key=name, UploadId=number).get("Parts", []))
    except ClientError:
        return 0
