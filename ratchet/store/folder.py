"""A store in a local folder, for tests, laptops and shared disks.

An object is a file. It is written beside its place and renamed, so readers never see half of it. Conditional writes
take a lock on the file's folder (flock), so two processes on one machine cannot both win; `absent` needs no lock: a
hard link either makes the name or fails. Nothing is fsynced: after a power cut the last writes may be gone.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from ratchet.errors import Conflict, NotFound, StoreError
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

# Up to this size the etag is a hash of the content. Beyond, hashing on every stat would cost seconds per model file,
# and inode + time + size tell versions apart because every write makes a new file.
HASHED_BYTES = 1 << 20


class FolderStore:
    """`Store` over a folder, given as `file:///absolute/path` or as a path; made at the first write."""

    def __init__(self, root: str | PathLike[str]) -> None:
        text = os.fspath(root).removeprefix("file://")
        self._folder = Path(os.path.realpath(text))
        self._root = f"file://{self._folder}".rstrip("/")

    def __repr__(self) -> str:
        return f"FolderStore({self._root!r})"

    @property
    def root(self) -> str:
        return self._root

    def uri(self, key: str) -> str:
        return join(self._root, key)

    def key(self, uri: str) -> str:
        return key_below(self._root, uri)

    def sub(self, prefix: str) -> FolderStore:
        return FolderStore(self._path(prefix.removesuffix("/")))

    def put(self, key: str, data: bytes) -> Stat:
        return self._write(key, lambda temp: temp.write_bytes(data), self._replace)

    def put_file(self, key: str, path: str | PathLike[str]) -> Stat:
        local_size(path)
        return self._write(key, lambda temp: shutil.copyfile(path, temp), self._replace)

    def put_if(self, key: str, data: bytes, *, absent: bool = False, etag: str | None = None) -> Stat:
        check_condition(absent, etag)
        place = self._link if etag is None else lambda temp, target: self._swap(temp, target, etag)
        return self._write(key, lambda temp: temp.write_bytes(data), place)

    def get(self, key: str) -> bytes:
        with self.open(key) as file:
            return file.read()

    def get_file(self, key: str, path: str | PathLike[str]) -> Stat:
        target = Path(path)
        temp = target.with_name(f"{RESERVED}{uuid.uuid4().hex}")
        try:
            with self.open(key) as source, temp.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
                found = self._stat_open(source, self.uri(key))
            if temp.stat().st_size != found.size:
                raise StoreError(f"{found.uri} changed size while it was copied; try again")
            os.replace(temp, target)
        finally:
            temp.unlink(missing_ok=True)
        return found

    def get_range(self, key: str, start: int, length: int) -> bytes:
        check_range(start, length)
        with self.open(key) as file:
            file.seek(start)
            return file.read(length)

    def stat(self, key: str) -> Stat | None:
        try:
            with self.open(key) as file:
                return self._stat_open(file, self.uri(key))
        except NotFound:
            return None

    def exists(self, key: str) -> bool:
        return self._path(key).is_file()

    def list(self, prefix: str = "") -> Iterator[Stat]:
        check_prefix(prefix)
        for key in self._walk("", prefix):
            found = self.stat(key)
            if found is not None:  # deleted since its folder was read
                yield found

    def folders(self, prefix: str = "") -> Sequence[str]:
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self._folder / check_folder(prefix)) as found:
            names = sorted(e.name for e in found if e.is_dir(follow_symlinks=False) and not e.name.startswith(RESERVED))
            # One that holds no file is left of what was deleted.
            return [name for name in names if any(True for _ in self._walk(f"{prefix}{name}/", f"{prefix}{name}/"))]
        return []

    def delete(self, key: str) -> None:
        path = self._path(key)
        if path.is_file() or path.is_symlink():
            with self._locked(path.parent):
                path.unlink(missing_ok=True)

    def open(self, key: str) -> BinaryIO:
        path = self._path(key)
        try:
            return path.open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise NotFound(f"no object at {self.uri(key)}") from None
        except OSError as error:
            raise StoreError(f"cannot read {self.uri(key)}: {error.strerror}; check the file's permissions") from error

    def _path(self, key: str) -> Path:
        """The file of `key`, refused when a symbolic link leads it out of the root."""
        path = self._folder / check_key(key)
        real = os.path.realpath(path)
        if real != str(path) and not real.startswith(f"{self._folder}/"):
            raise StoreError(f"{self.uri(key)} leads out of the store, to {real}: replace the link with a copy")
        return path

    def _write(self, key: str, fill: Callable[[Path], object], place: Callable[[Path, Path], None]) -> Stat:
        """Fill a temporary file beside the target, then let `place` give it the target's name."""
        target = self._path(key)
        temp = target.with_name(f"{RESERVED}{uuid.uuid4().hex}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            fill(temp)
            with temp.open("rb") as file:
                found = self._stat_open(file, self.uri(key))
            place(temp, target)
        except OSError as error:
            raise _refused(error, self.uri(key)) from error
        finally:
            with suppress(OSError):
                temp.unlink(missing_ok=True)
        return found

    def _replace(self, temp: Path, target: Path) -> None:
        with self._locked(target.parent):
            os.replace(temp, target)

    def _link(self, temp: Path, target: Path) -> None:
        try:
            os.link(temp, target)
        except FileExistsError:
            raise Conflict(f"{target} already exists: somebody else was first") from None

    def _swap(self, temp: Path, target: Path, etag: str) -> None:
        with self._locked(target.parent):
            try:
                with target.open("rb") as file:
                    current = self._stat_open(file, "").etag
            except FileNotFoundError:
                current = "none: it is gone"
            if current != etag:
                raise Conflict(f"{target} has etag {current}, not {etag}: somebody else was first")
            os.replace(temp, target)

    @contextmanager
    def _locked(self, folder: Path) -> Iterator[None]:
        """One writer at a time in a folder. The lock is on the folder itself, so it leaves no file behind."""
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _stat_open(self, file: BinaryIO, uri: str) -> Stat:
        """Stat of an open file: name and bytes cannot drift apart under a concurrent replace."""
        status = os.fstat(file.fileno())
        if status.st_size <= HASHED_BYTES:
            file.seek(0)
            etag = hashlib.sha256(file.read()).hexdigest()[:32]
        else:
            etag = f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
        return Stat(uri, status.st_size, etag, datetime.fromtimestamp(status.st_mtime, UTC))

    def _walk(self, folder: str, prefix: str) -> Iterator[str]:
        """Keys below `folder` in S3's order: a folder sorts as its name with a slash behind it."""
        try:
            with os.scandir(self._folder / folder) as found:
                names = [e.name + "/" if e.is_dir(follow_symlinks=False) else e.name for e in found]
        except (FileNotFoundError, NotADirectoryError):
            return
        for name in sorted(names):
            key = folder + name
            if name.startswith(RESERVED):
                continue
            if name.endswith("/"):
                if key.startswith(prefix) or prefix.startswith(key):
                    yield from self._walk(key, prefix)
            elif key.startswith(prefix) and not (self._folder / key).is_dir():
                yield key


def _refused(error: OSError, uri: str) -> StoreError:
    if error.errno in (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY):
        return StoreError(f"cannot write {uri}: a file lies where a folder is needed, or the reverse; use another key")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(f"cannot write {uri}: the disk is full; free space and start again, finished shards are kept")
    return StoreError(f"cannot write {uri}: {error.strerror or error}; check the folder's permissions")
