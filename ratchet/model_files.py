"""Which files may make up a model: safetensors and plain text, nothing that runs when it is loaded."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from pydantic import Field

from ratchet import canonical
from ratchet.errors import ModelError
from ratchet.records import Record

CARD = "ratchet-model.json"
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
BASE = "ratchet-base.json"
"""In an adapter's folder: which model it lies on."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz", ".h5", ".keras"})
_PROGRAMS = frozenset({".py", ".pyc", ".pyd", ".so", ".dll", ".dylib", ".sh", ".exe", ".ipynb"})
_PICKLE_STARTS = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))
_ZIP_START = b"PK\x03\x04"
_CHUNK = 1 << 20
_AT_ONCE = 4


class ModelFile(Record):
    """One file of a model: `path` relative to its folder (posix), `size` in bytes."""

    path: str
    sha256: str = Field(min_length=64, max_length=64)
    size: int = Field(ge=0)


class ModelCard(Record):
    """What is written last beside the files: the list that makes them a model."""

    name: str
    digest: str
    files: tuple[ModelFile, ...]


def check_name(name: str) -> str:
    """The name itself, if it can be one. Raises ModelError."""
    if not _NAME.fullmatch(name):
        raise ModelError(
            f"model name {name!r} must be letters, digits, dots, dashes and underscores, at most 128, "
            "beginning with a letter or digit; give another name."
        )
    return name


class Hashes:
    """SHA-256 of files that this process has written, so that what was hashed while it was checked is not read again to be sent.

    One is believed while its file has the size and the time of change that it was hashed with.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int], str] = {}

    def of(self, path: Path) -> str:
        """SHA-256 (hex) of the file as it is now; read where it is not known."""
        before = path.stat()
        seen = (str(path.resolve()), before.st_size, before.st_mtime_ns)
        if seen not in self._known:
            self._known[seen] = file_sha256(path)
        return self._known[seen]

    @contextmanager
    def ahead(self, paths: Sequence[Path]) -> Iterator[None]:
        """Hash files beside what the caller does: hashing lets other threads run. All are known at the end."""
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="ratchet-hash") as pool:
            under_way = [pool.submit(self.of, path) for path in paths]
            yield
            for one in under_way:
                one.result()


def describe(root: Path, hashes: Hashes | None = None) -> tuple[ModelFile, ...]:
    """The files of the model in `root`, hidden ones and the card left out. Raises ModelError for what is refused."""
    if not root.is_dir():
        raise ModelError(f"{root} is not a folder; give the folder that `save_pretrained` wrote.")
    found = sorted(path for path in root.rglob("*") if _shown(path.relative_to(root)))
    paths = [path for path in found if path.is_symlink() or not path.is_dir()]
    for path in paths:
        _check_file(path, root)
    names = [path.relative_to(root).as_posix() for path in paths]
    check_names(names, str(root))
    known = hashes or Hashes()
    with known.ahead(paths):
        pass
    return tuple(
        ModelFile(path=name, sha256=known.of(path), size=path.stat().st_size)
        for name, path in zip(names, paths, strict=True)
    )


def check_names(names: Sequence[str], where: str) -> None:
    """Raise ModelError unless these are the files of a whole model or of an adapter."""
    whole = "config.json" in names and any(name.endswith(".safetensors") for name in names)
    if not whole and not {ADAPTER_CONFIG, ADAPTER_WEIGHTS} <= set(names):
        raise ModelError(
            f"{where} holds {', '.join(names[:8]) or 'nothing'}; a model needs config.json and *.safetensors, an adapter "
            f"{ADAPTER_CONFIG} and {ADAPTER_WEIGHTS}. Save it with `save_pretrained`, which writes safetensors."
        )


def files_digest(files: Sequence[ModelFile]) -> str:
    """Identity of a model: SHA-256 over its sorted (path, SHA-256) pairs."""
    return canonical.digest(sorted([file.path, file.sha256] for file in files))


def check_path(path: str, where: str) -> None:
    """Raise ModelError for a path that leaves the model, and for the names of pickles and programs."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise ModelError(f"{where} lists the file {path!r}, which lies outside of the model; remove it.")
    suffix = pure.suffix.lower()
    if suffix in _PICKLES:
        raise ModelError(
            f"{where} holds {path}, a pickle or an unchecked binary, which could run code when it is loaded; "
            "convert weights to safetensors and remove it."
        )
    if suffix in _PROGRAMS:
        raise ModelError(
            f"{where} holds {path}, a program; models that bring their own code are refused. "
            "Remove it, or choose an architecture that transformers has."
        )


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file of any size."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _shown(relative: Path) -> bool:
    return not any(part.startswith(".") for part in relative.parts) and relative.as_posix() != CARD


def _check_file(path: Path, root: Path) -> None:
    check_path(path.relative_to(root).as_posix(), str(root))
    target = path.resolve()
    if not target.is_relative_to(root.resolve()):
        raise ModelError(
            f"{path} is a link out of its folder, to {target}; copy the model with its links followed (`cp -rL`)."
        )
    if not path.is_file():
        raise ModelError(f"{path} is not a regular file; remove it, or replace it by what it points to.")
    if path.suffix != ".safetensors" and _looks_like_pickle(path):
        raise ModelError(
            f"{path} begins like a pickle or a zip archive, which could run code when it is loaded; "
            "save weights as safetensors and remove it."
        )


def _looks_like_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(4)
    return head.startswith((*_PICKLE_STARTS, _ZIP_START))
