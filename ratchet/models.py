"""Models in the store, by content: `models/<name>/<digest>/`, the card written last; and loading them.

Weights are safetensors only. A pickle or a program among a model's files is refused both ways, because loading either
would run what it says.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from pydantic import ValidationError

from ratchet import adapters, canonical
from ratchet.artifacts.manifest import ModelRef
from ratchet.errors import ModelError, NotFound
from ratchet.model_files import (
    BASE,
    CARD,
    Hashes,
    ModelCard,
    ModelFile,
    check_name,
    check_path,
    describe,
    file_sha256,
    files_digest,
)
from ratchet.store import Store
from ratchet.store.many import put_files

Dtype = Literal["float32", "bfloat16", "float16"]
_DTYPES: dict[str, Dtype] = {"bfloat16": "bfloat16", "float16": "float16"}
_STALE_SECONDS = 86_400
_FRESH = timedelta(hours=12)


def upload(store: Store, folder: str | Path, name: str, hashes: Hashes | None = None) -> ModelRef:
    """Copy the model in `folder` to the store and return its reference; quick when the same model is there already.

    Hidden files are left out; of files in `hashes` the hash is known. Raises ModelError for pickles, programs, links that leave the folder, folders without
    safetensors or config.json, and adapters whose base is not in the store.
    """
    root = Path(folder)
    files = describe(root, hashes)
    if adapters.is_adapter(root):
        read_card(store, adapters.read_base(root).ref(store))
    digest = files_digest(files)
    prefix = f"models/{check_name(name)}/{digest}"
    card = ModelCard(name=name, digest=digest, files=files)
    known = store.stat(f"{prefix}/{CARD}")
    if known is None:
        put_files(store, {f"{prefix}/{file.path}": root / file.path for file in files})
    if known is None or known.modified < datetime.now(UTC) - _FRESH:
        # Written anew where it is old: retention goes by age, and leaves alone what somebody is about to name.
        store.put(f"{prefix}/{CARD}", canonical.pretty(card.model_dump(mode="json")))
    return ModelRef(name=name, uri=store.uri(prefix), digest=digest)


def fetch(store: Store, ref: ModelRef, cache: str | Path | None = None) -> Path:
    """The model's folder on this machine, downloaded unless it is there; every file is checked against its hash.

    An adapter is fetched with its base, and its folder is that of both, merged. `cache` (default: RATCHET_CACHE, else a
    private folder among the temporary files) is shared safely by processes: a folder appears under its digest whole or not
    at all. Raises ModelError for a missing card and for bytes that differ.
    """
    home = _cache_folder(cache)
    place = home / ref.digest
    card = read_card(store, ref)
    if not _complete(place, card):
        _sweep(home)
        partial = _scratch(home)
        try:
            for file in card.files:
                _download(store, f"{store.key(ref.uri)}/{file.path}", partial / file.path, file)
            _publish(partial, place, card)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    if not (place / CARD).is_file():
        _note(place, card)
    if any(file.path == BASE for file in card.files):
        return _whole(store, place, card, cache)
    return place


def _whole(store: Store, place: Path, card: ModelCard, cache: str | Path | None) -> Path:
    """The folder of an adapter and its base, merged; made once, and told apart by the adapter's digest, which covers the base's."""
    target = place.with_name(f"{card.digest}-merged")
    if (target / CARD).is_file():
        return target
    base = fetch(store, adapters.read_base(place).ref(store), cache)
    partial = _scratch(place.parent)
    try:
        adapters.materialise(place, base, partial)
        _note(partial, card)
        _publish(partial, target, ModelCard(name=card.name, digest=card.digest, files=()))
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _note(folder: Path, card: ModelCard) -> None:
    """Whose files these are: what trains on them records it."""
    (folder / CARD).write_bytes(canonical.pretty(card.model_dump(mode="json")))


def load(folder: str | Path, dtype: Dtype = "float32") -> tuple[Any, Any]:
    """Load (model, processor) from local safetensors, in evaluation mode, without ever running the model's own code.

    Raises ModelError naming what is missing: the folder, the chat template, weights, or that it is no image-text model.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForImageTextToText, AutoProcessor

    path = Path(folder)
    if adapters.is_adapter(path):
        model, processor = adapters.loaded(path, [path.parent, _cache_folder(None)])
        return model.to(getattr(torch, dtype)).eval(), processor
    if not (path / "config.json").is_file():
        raise ModelError(
            f"{path} holds no config.json, so it is no model folder; give one that `save_pretrained` wrote."
        )
    local: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    try:
        with quietly():
            processor = AutoProcessor.from_pretrained(path, **local)
            model, report = AutoModelForImageTextToText.from_pretrained(
                path, dtype=getattr(torch, dtype), use_safetensors=True, output_loading_info=True, **local
            )
    except (RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"the weights in {path} do not fit its config.json, or are cut ({_first_line(error)}). "
            "Save model and config together."
        ) from error
    except (OSError, ValueError, KeyError, ImportError, AttributeError) as error:
        raise ModelError(
            f"{path} does not load as an image-text model ({_first_line(error)}). "
            "It needs a processor, safetensors, and an architecture that transformers has for image-text-to-text."
        ) from error
    check_weights(path, report)
    check_processor(path, processor)
    return model.eval(), processor


def saved_dtype(folder: Path) -> Dtype:
    """Precision that a model's config.json names; float32 where it names none that can be trained."""
    written = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return _DTYPES.get(str(written.get("dtype") or written.get("torch_dtype")), "float32")


def check_processor(path: Path, processor: Any) -> None:
    """Raise ModelError unless the processor takes pictures and has a chat template; set padding to the left."""
    tokenizer = getattr(processor, "tokenizer", None)
    if tokenizer is None or getattr(processor, "image_processor", None) is None:
        raise ModelError(
            f"the processor of {path} is a {type(processor).__name__}, which takes no pictures; "
            "a model needs a tokenizer and an image processor (processor_config.json, preprocessor_config.json)."
        )
    if not (getattr(processor, "chat_template", None) or getattr(tokenizer, "chat_template", None)):
        raise ModelError(
            f"{path} has no chat template; give one, such as its instruction-tuned sibling's: "
            "`ratchet init --seed MODEL --chat-template FILE` stores it with the model."
        )
    tokenizer.padding_side = "left"


def placeholder(processor: Any) -> str | None:
    """What its chat template writes once for each picture; None where the processor names nothing."""
    return getattr(processor, "boi_token", None) or getattr(processor, "image_token", None)


def read_card(store: Store, ref: ModelRef) -> ModelCard:
    """The model's card, checked against the reference. Raises ModelError."""
    key = f"{store.key(ref.uri)}/{CARD}"
    try:
        card = ModelCard.model_validate_json(store.get(key))
    except NotFound:
        raise ModelError(
            f"model {ref.label} has no {CARD} at {ref.uri}: its upload did not finish. Upload it again."
        ) from None
    except ValidationError as error:
        raise ModelError(
            f"{store.uri(key)} is not a model card ({_first_line(error)}). Upload the model again."
        ) from error
    for file in card.files:
        check_path(file.path, ref.uri)
    found = files_digest(card.files)
    if found != ref.digest:
        raise ModelError(
            f"{store.uri(key)} lists files with digest {found[:12]}, but model {ref.label} is {ref.digest[:12]}: "
            "it was changed. Upload the model again."
        )
    return card


def _cache_folder(cache: str | Path | None) -> Path:
    given = cache or os.environ.get("RATCHET_CACHE")
    if given:
        home = Path(given) / "models"
        home.mkdir(parents=True, exist_ok=True)
        return home
    user = os.getuid()
    home = Path(tempfile.gettempdir()) / f"ratchet-models-{user}"
    home.mkdir(mode=0o700, exist_ok=True)
    # In a folder that all may write to, somebody else may have made it first.
    if home.is_symlink() or home.stat().st_uid != user:
        raise ModelError(
            f"{home} belongs to another user, so models there cannot be trusted; "
            "set RATCHET_CACHE to a folder of your own."
        )
    return home


def _complete(place: Path, card: ModelCard) -> bool:
    """Whether the folder holds all files at their sizes; their hashes were checked before it got its name."""
    return all((place / f.path).is_file() and (place / f.path).stat().st_size == f.size for f in card.files)


def _download(store: Store, key: str, target: Path, file: ModelFile) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        store.get_file(key, target)
    except NotFound:
        raise ModelError(
            f"{store.uri(key)} is missing, but the model's card lists it ({file.size} bytes). Upload the model again."
        ) from None
    if target.stat().st_size != file.size or file_sha256(target) != file.sha256:
        raise ModelError(
            f"{store.uri(key)} does not have the SHA-256 that the model's card records: it was changed or cut. "
            "Delete the model's folder in the store and upload it again."
        )


def _publish(partial: Path, place: Path, card: ModelCard) -> None:
    try:
        partial.rename(place)
    except OSError:
        # Another process was first, and what it put there has the same bytes; anything incomplete was damaged since.
        if _complete(place, card):
            return
        place.rename(_scratch(place.parent))
        partial.rename(place)


def _scratch(home: Path) -> Path:
    return home / f".fetch-{os.getpid()}-{uuid4().hex}"


def _sweep(home: Path) -> None:
    """Remove what fetches left that were killed over a day ago."""
    for left in home.glob(".fetch-*"):
        try:
            old = time.time() - left.stat().st_mtime > _STALE_SECONDS
        except FileNotFoundError:
            continue
        if old:
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def quietly() -> Iterator[None]:
    """No bar for each load, and no warning about defaults that the checkpoint's own config replaces a moment later."""
    from transformers.utils import logging

    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def check_weights(path: Path, report: Any) -> None:
    """Weights that a checkpoint lacks would be drawn at random with no more than a warning."""
    missing = sorted(report.get("missing_keys", ()))
    shapes = sorted(str(mismatch) for mismatch in report.get("mismatched_keys", ()))
    if missing or shapes:
        named = ", ".join([*missing, *shapes][:3])
        raise ModelError(
            f"{path} lacks {len(missing)} weights and has {len(shapes)} of another shape ({named}): "
            "its config.json does not belong to its weights. Save model and config together."
        )


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:300]}" if text else type(error).__name__
