"""From a trained model in memory to a folder that holds it: merge, cast, check, save, and look at what was saved.

What the checks compare is read from safetensors tensor by tensor, so nothing is loaded twice. Where a file names its weights
otherwise than the model does (transformers converts some architectures, and ties weights), the folder is loaded as a model.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open

from ratchet import adapters, models
from ratchet.artifacts.manifest import ModelRef
from ratchet.errors import TrainError
from ratchet.model_files import ADAPTER_WEIGHTS, Hashes
from ratchet.recipe import LoraConfig
from ratchet.train.checkpoints.snapshot import Tensors, not_finite

WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"


def save(
    model: Any,
    seed_dir: Path,
    out_dir: Path,
    lora: LoraConfig | None = None,
    named: ModelRef | None = None,
    hashes: Hashes | None = None,
) -> None:
    """Merge adapters, and save the weights in the seed's precision, as safetensors; or the adapter alone, where `lora` says so,
    on the base that is `named` in the store. A whole model's weights are hashed, into `hashes`, while they are looked at.

    All other files, but for its README, are the seed's own: training changes no tokenizer, template or architecture, but it
    does leave traces in what transformers would write (padding sides, a cache that is switched off, local paths). Raises TrainError, and
    leaves nothing, when weights are not finite, equal the seed's, or do not come back from disk as they were saved.
    """
    try:
        if hasattr(model, "merge_and_unload"):
            model = _on_the_seed(model, seed_dir)
        if lora is not None and lora.save == "adapter":
            _save_adapter(model, seed_dir, out_dir, base_of(seed_dir, named))
        else:
            _save_whole(model, seed_dir, out_dir, hashes or Hashes())
    except BaseException:
        shutil.rmtree(out_dir, ignore_errors=True)
        raise


def _on_the_seed(model: Any, seed_dir: Path) -> Any:
    """A PEFT model whose base is the seed, not the seed rounded to what the device computes in. Uses the model up.

    On a GPU float32 is no proof either: for vLLM's rollouts TRL merges the adapter and takes it out again, which rounds.
    """
    if all(p.dtype == torch.float32 and p.device.type == "cpu" for p in model.parameters()):
        return model
    again = adapters.relaid(model, seed_dir)
    # Gives its memory back before the weights are copied once more.
    model.to("meta")
    return again


def _save_whole(model: Any, seed_dir: Path, out_dir: Path, hashes: Hashes) -> None:
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    state = _checked(model, seed_dir)
    model.save_pretrained(out_dir)
    adapters.copy_all_but_weights(seed_dir, out_dir)
    with hashes.ahead(_files(out_dir)):
        _check_saved(state, seed_dir, out_dir)


def _save_adapter(model: Any, seed_dir: Path, out_dir: Path, base: adapters.Base) -> None:
    """Save the adapter alone, with the seed as its base, once what both give together has passed the checks of a whole model."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import load_file

    state = {name: value.detach().cpu().clone() for name, value in get_peft_model_state_dict(model).items()}
    model.save_pretrained(out_dir)
    (out_dir / "README.md").unlink(missing_ok=True)
    adapters.write_base(out_dir, base)
    _check_equal(state, load_file(out_dir / ADAPTER_WEIGHTS), out_dir)
    _checked(model.merge_and_unload(), seed_dir)


def base_of(seed_dir: Path, named: ModelRef | None) -> adapters.Base:
    """What the store calls the seed, as an adapter's base. The folder's own card says who fetched it first, maybe by another name.

    Raises TrainError for a seed of another origin than the store.
    """
    base = adapters.Base(name=named.name, digest=named.digest) if named is not None else adapters.base_of(seed_dir)
    if base is None:
        raise TrainError(
            f"train.lora.save is adapter, but {seed_dir} was not fetched from a store, so the adapter's base would have no name; "
            "set train.lora.save: merged."
        )
    return base


def _checked(model: Any, seed_dir: Path) -> Tensors:
    """The weights in host memory and the seed's precision, in which the model is from now on. Raises TrainError."""
    dtype = models.saved_dtype(seed_dir)
    state: Tensors = model.to(device="cpu", dtype=getattr(torch, dtype)).state_dict()
    broken = not_finite(state)
    if broken:
        raise TrainError(
            f"{len(broken)} of {len(state)} weights are not finite after training (first: {broken[0]}); nothing was saved. "
            "Lower train.learning_rate or set train.trl.max_grad_norm."
        )
    if _equal_seed(state, seed_dir, dtype):
        raise TrainError(
            f"all {len(state)} weights equal the seed's in {dtype} after training; nothing was saved. "
            "Raise train.learning_rate, or train for more steps (the first of a warm-up has rate 0)."
        )
    return state


def _equal_seed(state: Tensors, seed_dir: Path, dtype: models.Dtype) -> bool:
    """Whether no weight was changed; answered by the first that was."""
    with _opened(seed_dir) as seed:
        if _named_alike(state, seed):
            return all(torch.equal(state[name], seed[name].to(getattr(torch, dtype))) for name in seed.shapes)
    loaded = models.load(seed_dir, dtype)[0].state_dict()
    return all(name in loaded and torch.equal(value, loaded[name]) for name, value in state.items())


def _check_saved(state: Tensors, seed_dir: Path, out_dir: Path) -> None:
    """Raise TrainError unless the folder gives these weights again.

    With the seed's own names and shapes beside the seed's own configuration it loads as the seed did.
    """
    with _opened(seed_dir) as seed, _opened(out_dir) as saved:
        if saved.shapes == seed.shapes and _named_alike(state, saved):
            _check_equal({name: state[name] for name in saved.shapes}, saved, out_dir)
            return
    _check_equal(state, models.load(out_dir, models.saved_dtype(seed_dir))[0].state_dict(), out_dir)


def _check_equal(state: Tensors, saved: Any, out_dir: Path) -> None:
    other = [name for name, value in state.items() if name not in saved or not _same(value, saved[name])]
    if other:
        raise TrainError(
            f"{len(other)} of {len(state)} weights differ after loading them from {out_dir} (first: {other[0]}); check the disk."
        )


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether they are equal; of one kind by their bits, eight bytes at a time, which is three times as fast as by number."""
    alike = one.dtype == other.dtype and one.shape == other.shape and one.nbytes % 8 == 0
    if not (alike and one.is_contiguous() and other.is_contiguous()):
        return bool(torch.equal(one, other))
    words = [value.detach().view(-1).view(torch.uint8).numpy().view(np.int64) for value in (one, other)]
    return bool(np.array_equal(*words))


class _Opened:
    """Weights on disk, read one at a time."""

    def __init__(self, files: Mapping[str, Any]) -> None:
        self._files = files
        self.shapes = {name: tuple(file.get_slice(name).get_shape()) for name, file in files.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def __getitem__(self, name: str) -> torch.Tensor:
        found: torch.Tensor = self._files[name].get_tensor(name)
        return found


@contextmanager
def _opened(folder: Path) -> Iterator[_Opened]:
    """A model folder's weights by their names in its files; nothing where it has none of its own, as an adapter's."""
    with ExitStack() as stack:
        files: dict[str, Any] = {}
        for path in _files(folder):
            file = stack.enter_context(safe_open(path, "pt"))
            files |= dict.fromkeys(file.keys(), file)
        yield _Opened(files)


def _files(folder: Path) -> list[Path]:
    """The files that transformers would load, one or those that an index lists."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        listed = json.loads((folder / INDEX).read_bytes())["weight_map"].values()
        return [folder / name for name in sorted(set(listed))]
    return []


def _named_alike(state: Tensors, files: _Opened) -> bool:
    """Whether files hold the model's weights under the model's names: all, but for those that share memory with one that they
    hold."""
    fits = all(name in state and tuple(state[name].shape) == shape for name, shape in files.shapes.items())
    held = {_memory(state[name]) for name in files.shapes if name in state}
    return fits and all(name in files or _memory(value) in held for name, value in state.items())


def _memory(value: torch.Tensor) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    return value.data_ptr(), tuple(value.shape), value.stride()
