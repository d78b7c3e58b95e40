"""A store in an S3 bucket, through boto3: multipart both ways, conditional puts, verified reads.

botocore repeats requests that got no answer or a busy one. Here a read is made again when its body broke off or
differs from its hash. A conditional put that botocore had to repeat may be refused because of its own first try, so
that refusal is believed only if the object differs from what was put.
"""

from __future__ import annotations

import builtins
import hashlib
import io
import os
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from ratchet.errors import Conflict, NotFound, StoreError, StoreUnavailable
from ratchet.store.base import (
    RESERVED,
    Stat,
    check_condition,
    check_folder,
    check_key,
    check_prefix,
    check_range,
    join,
    key_below,
    local_size,
)
from ratchet.store.s3_client import TRANSFER, Connection, attempts, split_uri
from ratchet.store.s3_errors import BODY_ERRORS, cause_of, code_of, missing_bucket, pause, retries_of, translate
from ratchet.store.s3_file import ObjectFile

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

FAILURES = (BotoCoreError, Boto3Error, ClientError, ConnectionError, TimeoutError)
BUFFER_BYTES = 1 << 20
MD5_ETAG = re.compile(r"[0-9a-f]{32}")


class Truncated(ConnectionError):
    """A body that is not what its headers promise."""


class S3Store:
    """`Store` over `s3://bucket[/prefix]`."""

    def __init__(self, root: str, connection: Connection | None = None) -> None:
        self._bucket, self._prefix = split_uri(root)
        self._root = f"s3://{self._bucket}/{self._prefix}".rstrip("/")
        self._connection = connection or Connection()

    def __repr__(self) -> str:
        return f"S3Store({self._root!r})"

    def __reduce__(self) -> tuple[type[S3Store], tuple[str]]:
        return S3Store, (self._root,)

    @property
    def root(self) -> str:
        return self._root

    def uri(self, key: str) -> str:
        return join(self._root, key)

    def key(self, uri: str) -> str:
        return key_below(self._root, uri)

    def sub(self, prefix: str) -> S3Store:
        return S3Store(join(self._root, prefix.removesuffix("/")), self._connection)

    def put(self, key: str, data: bytes) -> Stat:
        if len(data) <= TRANSFER.multipart_threshold:
            return self._put_once(key, data)
        with self._translating(key):
            client, body = self._connection.client(), io.BytesIO(data)
            client.upload_fileobj(body, self._bucket, self._full(key), Config=TRANSFER)
        return self._arrived(key, len(data))

    def put_file(self, key: str, path: str | PathLike[str]) -> Stat:
        size = local_size(path)
        with self._translating(key):
            client = self._connection.client()
            client.upload_file(os.fspath(path), self._bucket, self._full(key), Config=TRANSFER)
        return self._arrived(key, size)

    def put_if(self, key: str, data: bytes, *, absent: bool = False, etag: str | None = None) -> Stat:
        check_condition(absent, etag)
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": f'"{etag}"'}
        for attempt in range(attempts()):
            if attempt:
                pause(attempt)
            try:
                return self._put_once(key, data, condition)
            except NotFound as error:
                raise Conflict(f"{self.uri(key)} is gone: somebody else was first") from error
            except Conflict as error:
                refusal = error
                answer = error.__cause__
                if not isinstance(answer, ClientError):
                    raise
                # Refused after a repeat: perhaps by our own first try, whose answer was lost.
                if (attempt or retries_of(answer)) and (found := self._holding(key, data)):
                    return found
                # "Another write is under way": who wins is not decided yet, so ask again.
                if code_of(answer) != "ConditionalRequestConflict":
                    raise
        raise refusal

    def get(self, key: str) -> bytes:
        return self._read(key, {})

    def get_file(self, key: str, path: str | PathLike[str]) -> Stat:
        found = self._need(key)
        target = Path(path)
        temp = target.with_name(f"{RESERVED}{uuid.uuid4().hex}")
        try:
            if found.size <= TRANSFER.multipart_threshold:
                temp.write_bytes(self._read(key, {"IfMatch": f'"{found.etag}"'}))
            else:
                with self._translating(key):
                    self._connection.client().download_file(self._bucket, self._full(key), str(temp), Config=TRANSFER)
            if temp.stat().st_size != found.size:
                raise StoreUnavailable(
                    f"{found.uri} came with {temp.stat().st_size} of {found.size} bytes; start again"
                )
            os.replace(temp, target)
        finally:
            temp.unlink(missing_ok=True)
        return found

    def get_range(self, key: str, start: int, length: int) -> bytes:
        check_range(start, length)
        if length == 0:  # S3 has no empty ranges
            self._need(key)
            return b""
        return self._read(key, {"Range": f"bytes={start}-{start + length - 1}"})

    def stat(self, key: str) -> Stat | None:
        try:
            with self._translating(key):
                found = self._connection.client().head_object(Bucket=self._bucket, Key=self._full(key))
        except NotFound:
            self._check_bucket()
            return None
        return self._listed(key, found["ContentLength"], found["ETag"], found["LastModified"])

    def exists(self, key: str) -> bool:
        return self.stat(key) is not None

    def list(self, prefix: str = "") -> Iterator[Stat]:
        check_prefix(prefix)
        found = self._pages(prefix)
        first = next(found, None)
        if first is not None and first[0]:  # SeaweedFS lists folder by folder: "x/a" before "x-1"
            return iter(sorted(chain(first[1], *(page for _, page in found)), key=lambda stat: stat.uri))
        return chain(first[1] if first else (), chain.from_iterable(page for _, page in found))

    def folders(self, prefix: str = "") -> Sequence[str]:
        whole = (f"{self._prefix}/" if self._prefix else "") + check_folder(prefix)
        with self._translating(prefix):
            pages = self._connection.client().get_paginator("list_objects_v2")
            asked = pages.paginate(Bucket=self._bucket, Prefix=whole, Delimiter="/")
            found = {one["Prefix"][len(whole) : -1] for page in asked for one in page.get("CommonPrefixes", [])}
        return sorted(found - {""})

    def delete(self, key: str) -> None:
        with self._translating(key):
            self._connection.client().delete_object(Bucket=self._bucket, Key=self._full(key))

    def open(self, key: str) -> BinaryIO:
        found = self._need(key)
        unchanged = {"IfMatch": f'"{found.etag}"'}

        def read_range(start: int, length: int) -> bytes:
            if length == 0:
                return b""
            return self._read(key, {"Range": f"bytes={start}-{start + length - 1}"} | unchanged)

        return io.BufferedReader(ObjectFile(read_range, found.size), BUFFER_BYTES)

    def _full(self, key: str) -> str:
        return f"{self._prefix}/{check_key(key)}" if self._prefix else check_key(key)

    def _pages(self, prefix: str) -> Iterator[tuple[bool, builtins.list[Stat]]]:
        """Pages of a listing, each with whether its server lists in another order than S3's."""
        base = f"{self._prefix}/" if self._prefix else ""
        with self._translating(prefix):
            pages = self._connection.client().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=base + prefix):
                by_folder = "seaweedfs" in page["ResponseMetadata"]["HTTPHeaders"].get("server", "").lower()
                keyed = [(found["Key"][len(base) :], found) for found in page.get("Contents", [])]
                # Keys that end in "/" are folder markers of other tools.
                yield (
                    by_folder,
                    [
                        self._listed(key, found["Size"], found["ETag"], found["LastModified"])
                        for key, found in keyed
                        if key and not key.endswith("/")
                    ],
                )

    def _listed(self, key: str, size: int, etag: str, modified: datetime) -> Stat:
        return Stat(f"{self._root}/{key}", size, etag.strip('"'), modified.astimezone(UTC))

    def _need(self, key: str) -> Stat:
        found = self.stat(key)
        if found is None:
            raise NotFound(f"no object at {self.uri(key)}")
        return found

    def _put_once(self, key: str, data: bytes, condition: Mapping[str, Any] | None = None) -> Stat:
        with self._translating(key):
            answer = self._connection.client().put_object(
                Bucket=self._bucket, Key=self._full(key), Body=data, **(condition or {})
            )
        # The answer's own date and etag: a HEAD could already see the next writer's object.
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        modified = parsedate_to_datetime(date) if date else self._need(key).modified
        return Stat(self.uri(key), len(data), answer["ETag"].strip('"'), modified)

    def _arrived(self, key: str, size: int) -> Stat:
        found = self._need(key)
        if found.size != size:
            raise StoreError(f"{found.uri} holds {found.size} of {size} bytes: the file changed while it was sent")
        return found

    def _read(self, key: str, extra: Mapping[str, Any]) -> bytes:
        """The body of a GET, read again while it breaks off or does not match its hash."""
        for attempt in range(1, attempts() + 1):
            with self._translating(key):
                try:
                    answer = self._connection.client().get_object(Bucket=self._bucket, Key=self._full(key), **extra)
                except ClientError as error:
                    if code_of(error) in ("416", "InvalidRange"):
                        return b""
                    raise
                try:
                    body = answer["Body"].read()
                    return body if "Range" in extra else _verified(body, answer)
                except BODY_ERRORS:
                    if attempt == attempts():
                        raise
            pause(attempt)
        raise AssertionError("attempts() is at least 1")

    def _holding(self, key: str, data: bytes) -> Stat | None:
        """The object at `key` if it has exactly these bytes."""
        found = self.stat(key)
        try:
            return found if found is not None and self.get(key) == data else None
        except NotFound:
            return None

    def _check_bucket(self) -> None:
        """A HEAD has no body, so a missing bucket looks like a missing object: ask once."""
        if not self._connection.bucket_seen:
            try:
                with self._translating(""):
                    self._connection.client().head_bucket(Bucket=self._bucket)
            except NotFound as error:
                raise missing_bucket(self._bucket, self._connection.endpoint()) from error
            self._connection.bucket_seen = True

    @contextmanager
    def _translating(self, key: str) -> Iterator[None]:
        try:
            yield
        except FAILURES as error:
            endpoint = self._connection.endpoint()
            place = f"{self._root}/{key}".rstrip("/")
            raise translate(cause_of(error), place, self._bucket, endpoint) from error


def _verified(body: bytes, answer: GetObjectOutputTypeDef) -> bytes:
    """A whole body whose MD5 is its ETag, where the ETag is one: not for multipart or key-encrypted objects."""
    etag = answer["ETag"].strip('"')
    encrypted = answer.get("SSECustomerAlgorithm") or answer.get("ServerSideEncryption", "").startswith("aws:kms")
    if MD5_ETAG.fullmatch(etag) and not encrypted:
        found = hashlib.md5(body, usedforsecurity=False).hexdigest()
        if found != etag:
            raise Truncated(f"{len(body)} bytes with MD5 {found} came, the ETag says {etag}")
    return body
