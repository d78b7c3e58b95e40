"""What a saved model must be: changed, finite, and the same again from disk, whatever names its files use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import get_peft_model
from safetensors.torch import load_file, save_file

from ratchet import adapters, model_files, models
from ratchet.errors import TrainError
from ratchet.model_files import Hashes, describe
from ratchet.recipe import TrainConfig
from ratchet.train import saving, sft, weights
from tests import architectures


@pytest.fixture(params=["idefics3", "llava"])
def seed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return architectures.save(request.param, tmp_path / "seed")


def changed(seed: Path, which: int = -1) -> Any:
    """The seed with one number of one weight changed."""
    model, _ = models.load(seed)
    with torch.no_grad():
        list(model.parameters())[which].view(-1)[0] += 1
    return model


@pytest.mark.parametrize("which", [0, -1])
def test_one_number_that_changed_is_enough(which: int, seed: Path, tmp_path: Path) -> None:
    model = changed(seed, which)
    saving.save(model, seed, tmp_path / "out")
    again = models.load(tmp_path / "out", models.saved_dtype(seed))[0].state_dict()
    assert all(torch.equal(value, again[name]) for name, value in model.state_dict().items())


def test_a_model_that_is_the_seed_is_not_saved(seed: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="weights equal the seed's"):
        saving.save(models.load(seed)[0], seed, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_number_that_the_disk_changed_is_found(seed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = changed(seed)
    usual = model.save_pretrained

    def damaged(folder: Path) -> None:
        usual(folder)
        tensors = load_file(folder / "model.safetensors")
        last = tensors[max(tensors)]
        last.view(-1)[-1] += 1
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    monkeypatch.setattr(model, "save_pretrained", damaged)
    with pytest.raises(TrainError, match=r"1 of \d+ weights differ after loading them .* check the disk"):
        saving.save(model, seed, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_loaded_as_a_model_where_files_have_the_models_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = architectures.save("idefics3", tmp_path / "seed")
    model = changed(seed)
    monkeypatch.setattr(models, "load", lambda *_: pytest.fail("loaded a second model"))
    saving.save(model, seed, tmp_path / "out")


def test_what_was_hashed_as_it_was_saved_is_hashed_again_only_where_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed, out = architectures.save("idefics3", tmp_path / "seed", shard="100KB"), tmp_path / "out"
    hashes = Hashes()
    saving.save(changed(seed), seed, out, hashes=hashes)
    plain = {file.path: file for file in describe(out)}
    read: list[str] = []
    usual = model_files.file_sha256

    def counted(path: Path) -> str:
        read.append(path.name)
        return usual(path)

    monkeypatch.setattr(model_files, "file_sha256", counted)
    assert {file.path: file for file in describe(out, hashes)} == plain
    assert read
    assert not [name for name in read if name.endswith(".safetensors")]

    weights = out / "model.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.write_bytes(damaged)
    now = {file.path: file.sha256 for file in describe(out, hashes)}
    assert now[weights.name] == usual(weights) != plain[weights.name].sha256


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float32, torch.int64])
def test_tensors_are_the_same_by_every_bit_and_only_then(kind: torch.dtype) -> None:
    one = torch.arange(24, dtype=kind).reshape(4, 6)
    assert saving._same(one, one.clone())
    assert saving._same(one.t(), one.t().clone())
    for place in range(24):
        other = one.clone()
        other.view(-1)[place] += 1
        assert not saving._same(one, other)
    assert not saving._same(one, one.reshape(6, 4))
    assert not saving._same(one[:3, :5], one[1:, 1:])


def adapted(seed: Path, folder: Path, drawn: float) -> Any:
    """A PEFT model on the seed, loaded for training in bfloat16; the side of its adapters that begins as 0 has this deviation."""
    options = {"lora": {"rank": 2, "vision": False}, "parameters": {"precision": "bfloat16"}}
    config = TrainConfig.model_validate(options)
    model, _ = weights.load(seed, config, sft.arguments(config, folder, 0))
    wrapped = get_peft_model(model, weights.adapter(config, model))
    for name, value in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=drawn)
    return wrapped


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_weights_without_an_adapter_stay_the_seeds_where_the_device_computes_in_less(
    dtype: str, tmp_path: Path
) -> None:
    seed = architectures.save("idefics3", tmp_path / "seed", dtype=dtype)
    model = adapted(seed, tmp_path / "scratch", 0.05)
    model.save_pretrained(tmp_path / "adapter")
    saving.save(model, seed, tmp_path / "out")
    before, after = (load_file(folder / "model.safetensors") for folder in (seed, tmp_path / "out"))
    assert {value.dtype for value in after.values()} == {getattr(torch, dtype)}
    learned = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert any("text_model" in name for name in learned)
    assert not any("vision_model" in name for name in learned)
    fetched = adapters.merged(tmp_path / "adapter", seed)[0].state_dict()
    assert all(torch.equal(value, fetched[name]) for name, value in after.items())


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_an_adapter_that_learned_nothing_is_not_saved_where_the_device_computes_in_less(
    dtype: str, tmp_path: Path
) -> None:
    seed = architectures.save("idefics3", tmp_path / "seed", dtype=dtype)
    with pytest.raises(TrainError, match="weights equal the seed's"):
        saving.save(adapted(seed, tmp_path / "scratch", 0), seed, tmp_path / "out")
