"""Adapters as models: the adapter's own files, and which model of the store they lie on.

An adapter never names its base by a path or a name on a hub. `ratchet-base.json` has the base's name and digest, which say
where it lies in the same store; the base may be an adapter itself. What uses models gets them whole: fetching an adapter
merges it in float32 and keeps the result, in the base's precision, in the cache.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from ratchet import canonical
from ratchet.artifacts.manifest import ModelRef
from ratchet.errors import ModelError
from ratchet.model_files import ADAPTER_CONFIG, ADAPTER_WEIGHTS, BASE, CARD, ModelCard
from ratchet.records import Record
from ratchet.store import Store

_PATHS = ("base_model_name_or_path", "revision", "auto_mapping")
"""What PEFT writes about where a base came from."""


class Base(Record):
    """The model that an adapter lies on: `models/<name>/<digest>` in the adapter's own store."""

    name: str
    digest: str = Field(min_length=64, max_length=64)

    def ref(self, store: Store) -> ModelRef:
        return ModelRef(name=self.name, uri=store.uri(f"models/{self.name}/{self.digest}"), digest=self.digest)


def is_adapter(folder: Path) -> bool:
    return (folder / ADAPTER_CONFIG).is_file() and not (folder / "config.json").is_file()


def read_base(folder: Path) -> Base:
    """What the adapter in `folder` lies on. Raises ModelError."""
    try:
        return Base.model_validate_json((folder / BASE).read_bytes())
    except FileNotFoundError:
        named = json.loads((folder / ADAPTER_CONFIG).read_bytes()).get("base_model_name_or_path")
        raise ModelError(
            f"{folder} is an adapter without {BASE}, so its base is not known by content (its adapter_config.json says "
            f"{named!r}). Name the base: `ratchet init --seed ADAPTER --base MODEL`."
        ) from None
    except ValidationError as error:
        raise ModelError(
            f"{folder / BASE} is not a base's name and digest ({error}); make the adapter again."
        ) from error


def base_of(seed_dir: Path) -> Base | None:
    """The model of the store that was fetched to `seed_dir`; None for a folder of another origin."""
    card = seed_dir / CARD
    if not card.is_file():
        return None
    found = ModelCard.model_validate_json(card.read_bytes())
    return Base(name=found.name, digest=found.digest)


def write_base(folder: Path, base: Base) -> None:
    """Say in an adapter's folder what it lies on, and nowhere else."""
    (folder / BASE).write_bytes(canonical.pretty(base.model_dump(mode="json")))
    path = folder / ADAPTER_CONFIG
    config = json.loads(path.read_bytes())
    path.write_bytes(canonical.pretty({key: None if key in _PATHS else value for key, value in config.items()}))


def merged(folder: Path, base_dir: Path) -> tuple[Any, Any]:
    """(model, processor) of the adapter in `folder` merged into `base_dir`, in the base's own precision. Raises ModelError."""
    import torch
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import safe_open

    from ratchet import models

    model, processor = models.load(base_dir)
    try:
        with models.quietly(), warnings.catch_warnings():
            # It is counted below, and is no warning: adapters that are missing would be drawn at random.
            warnings.filterwarnings("ignore", message="Found missing adapter keys")
            wrapped = PeftModel.from_pretrained(model, str(folder), local_files_only=True)
        with safe_open(folder / ADAPTER_WEIGHTS, "pt") as file:
            other = set(file.keys()) ^ set(get_peft_model_state_dict(wrapped))
        if other:
            raise ValueError(f"{len(other)} weights are in one of them only, such as {min(other)}")
    except (ValueError, KeyError, RuntimeError, OSError, TypeError) as error:
        raise ModelError(
            f"the adapter in {folder} does not fit its base ({type(error).__name__}: {str(error)[:300]}). "
            "Give the base that it was trained on."
        ) from error
    whole = wrapped.merge_and_unload()
    return whole.to(getattr(torch, models.saved_dtype(base_dir))), processor


def relaid(trained: Any, base_dir: Path, state: Mapping[str, Any] | None = None) -> Any:
    """The adapter of a PEFT model on its base as it lies on disk, in float32 and in host memory, where `merged` lays it.

    Training may hold the base rounded to the precision that it computes in. `state` are the model's weights, where it does not
    have them whole itself.
    """
    from peft import get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

    from ratchet import models

    # Layers of the base that PEFT would save beside an adapter of theirs are the rounded ones.
    own = get_peft_model_state_dict(trained, state_dict=state, save_embedding_layers=False)
    again = get_peft_model(models.load(base_dir)[0], trained.peft_config["default"])
    set_peft_model_state_dict(again, own)
    return again


def loaded(folder: Path, homes: Sequence[Path]) -> tuple[Any, Any]:
    """(model, processor) of an adapter whose base lies, as it was fetched, in one of `homes`. Raises ModelError."""
    base = read_base(folder)
    places = [home / name for home in homes for name in (base.digest, f"{base.digest}-merged")]
    found = [place for place in places if (place / "config.json").is_file()]
    if not found:
        raise ModelError(
            f"{folder} is an adapter on {base.name} ({base.digest[:12]}), which is not on this machine; fetch the adapter from "
            "its store, which brings its base."
        )
    return merged(folder, found[0])


def materialise(folder: Path, base_dir: Path, target: Path) -> None:
    """Write the whole model of an adapter to `target`: merged weights, and all other files of the base."""
    from ratchet import models

    model, _ = merged(folder, base_dir)
    with models.quietly():
        model.save_pretrained(target)
    copy_all_but_weights(base_dir, target)


def copy_all_but_weights(source: Path, target: Path) -> None:
    """All that training does not change: processor, templates, configuration."""
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        hidden = any(part.startswith(".") for part in relative.parts)
        left_out = path.name.endswith((".safetensors", ".index.json", CARD)) or path.name.startswith("README")
        if path.is_file() and not hidden and not left_out:
            (target / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / relative)
