"""Adapters as the artifact: saved alone, known by content, fetched whole, trained on again; and seeds of any kind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from ratchet import adapters, models, seeds
from ratchet.artifacts import ImageBank, ModelRef
from ratchet.errors import ModelError, TrainError
from ratchet.evaluate.measuring import measure
from ratchet.recipe import EvaluateConfig, LoraConfig, TrainConfig
from ratchet.store.folder import FolderStore
from ratchet.train import METHODS, Job
from tests import architectures, tiny
from tests.unit.train.builders import SKILLS, Rows

FILES = {"adapter_config.json", "adapter_model.safetensors", "ratchet-base.json"}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderStore:
    monkeypatch.setenv("RATCHET_CACHE", str(tmp_path / "default-cache"))
    return FolderStore(tmp_path / "shop")


def config_of(save: str, method: str = "sft") -> TrainConfig:
    lora = LoraConfig.model_validate({"rank": 4, "alpha": 16, "save": save})
    return TrainConfig.model_validate(
        {"method": method, "max_steps": 2, "batch_size": 4, "learning_rate": 2e-2, "warmup_ratio": 0, "lora": lora}
    )


def trained(config: TrainConfig, seed_dir: Path, rows: Any, out: Path) -> Path:
    METHODS[config.method](Job(config, seed_dir, rows, out, 3))
    return out


def seeded(name: str, store: FolderStore, folder: Path) -> tuple[ModelRef, Path]:
    """A sharded seed in the store, and as it is fetched."""
    ref = models.upload(store, architectures.save(name, folder / name, shard="100KB"), "seed")
    return ref, models.fetch(store, ref, folder / "cache")


def state(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = models.load(folder)[0].state_dict()
    return found


@pytest.mark.parametrize(
    ("name", "method"),
    [("llava", "sft"), ("gemma3", "dpo"), pytest.param("idefics3", "dpo", marks=pytest.mark.slow)],
)
def test_an_adapter_is_saved_alone_and_fetched_as_what_merging_gives(
    name: str, method: str, shop: FolderStore, rows_of: Rows, bank: ImageBank, tmp_path: Path
) -> None:
    ref, seed_dir = seeded(name, shop, tmp_path)
    rows = rows_of(method, 8)
    out = trained(config_of("adapter", method), seed_dir, rows, tmp_path / "adapter")
    assert {path.name for path in out.iterdir()} == FILES
    assert adapters.read_base(out) == adapters.Base(name="seed", digest=ref.digest)
    assert json.loads((out / "adapter_config.json").read_text())["base_model_name_or_path"] is None
    assert str(tmp_path) not in (out / "adapter_config.json").read_text()

    made = models.upload(shop, out, "loop")
    whole = models.fetch(shop, made, tmp_path / "other-cache")
    assert whole.name == f"{made.digest}-merged"
    assert models.fetch(shop, made, tmp_path / "other-cache") == whole
    merged = trained(config_of("merged", method), seed_dir, rows, tmp_path / "merged")
    one, other = state(whole), state(merged)
    assert all(torch.equal(one[key], other[key]) for key in other)
    beside = models.load(tmp_path / "other-cache" / "models" / made.digest)[0].state_dict()
    assert all(torch.equal(beside[key], other[key]) for key in other)

    prompts, _ = tiny.world("pool", 3, SKILLS)
    outcomes = measure(shop, made, prompts, bank, EvaluateConfig(max_new_tokens=4, pass_at_k=None))
    assert len(outcomes) == 3


def test_training_goes_on_from_an_adapter_and_records_it_as_the_base(
    shop: FolderStore, rows_of: Rows, tmp_path: Path
) -> None:
    _, seed_dir = seeded("llava", shop, tmp_path)
    first = models.upload(shop, trained(config_of("adapter"), seed_dir, rows_of("sft", 8), tmp_path / "one"), "loop")
    start = models.fetch(shop, first, tmp_path / "cache")
    second = trained(config_of("adapter"), start, rows_of("sft", 8), tmp_path / "two")
    assert adapters.read_base(second).digest == first.digest
    whole = models.fetch(shop, models.upload(shop, second, "loop"), tmp_path / "fresh")
    moved = state(whole)
    assert any(not torch.equal(value, moved[key]) for key, value in state(start).items())


def test_the_base_is_what_the_round_calls_it_whoever_fetched_it_first(
    shop: FolderStore, rows_of: Rows, tmp_path: Path
) -> None:
    _, seed_dir = seeded("llava", shop, tmp_path)
    other = FolderStore(tmp_path / "other-shop")
    ref = models.upload(other, tmp_path / "llava", "mine")
    assert models.fetch(other, ref, tmp_path / "cache") == seed_dir
    job = Job(config_of("adapter"), seed_dir, rows_of("sft", 8), tmp_path / "out", 3, model=ref)
    METHODS["sft"](job)
    assert adapters.read_base(job.out_dir) == adapters.Base(name="mine", digest=ref.digest)
    models.upload(other, job.out_dir, "loop")


def test_an_adapter_needs_a_seed_from_the_store(rows_of: Rows, seed_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"save is adapter, but .* was not fetched from a store"):
        trained(config_of("adapter"), seed_dir, rows_of("sft", 4), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_adapter_whose_base_is_elsewhere_is_refused(shop: FolderStore, rows_of: Rows, tmp_path: Path) -> None:
    _, seed_dir = seeded("llava", shop, tmp_path)
    out = trained(config_of("adapter"), seed_dir, rows_of("sft", 4), tmp_path / "adapter")
    with pytest.raises(ModelError, match="upload did not finish"):
        models.upload(FolderStore(tmp_path / "elsewhere"), out, "loop")
    alone = tmp_path / "alone" / "adapter"
    shutil.copytree(out, alone)
    with pytest.raises(ModelError, match=r"is an adapter on seed .*, which is not on this machine"):
        models.load(alone)


def test_a_foreign_adapter_needs_its_base_named(shop: FolderStore, rows_of: Rows, tmp_path: Path) -> None:
    ref, seed_dir = seeded("llava", shop, tmp_path)
    out = trained(config_of("adapter"), seed_dir, rows_of("sft", 4), tmp_path / "adapter")
    (out / "ratchet-base.json").unlink()
    with pytest.raises(ModelError, match=r"its base is not known by content .*--base MODEL"):
        seeds.ready(out, shop, "loop")
    ready = seeds.ready(out, shop, "loop", base=tmp_path / "llava")
    assert adapters.read_base(ready) == adapters.Base(name="loop", digest=ref.digest)
    assert models.fetch(shop, models.upload(shop, ready, "loop"), tmp_path / "cache").is_dir()
    other = architectures.save("gemma3", tmp_path / "gemma3")
    with pytest.raises(ModelError, match="does not fit its base"):
        seeds.ready(out, shop, "loop", base=other)


def test_a_seed_without_a_template_is_given_one_that_stays_with_it(shop: FolderStore, tmp_path: Path) -> None:
    bare = architectures.save("idefics3", tmp_path / "bare")
    template = tmp_path / "mine.jinja"
    (bare / "chat_template.jinja").rename(template)
    with pytest.raises(ModelError, match="has no chat template, so nothing can be asked of it"):
        seeds.ready(bare, shop, "loop")
    ready = seeds.ready(bare, shop, "loop", template=template)
    fetched = models.fetch(shop, models.upload(shop, ready, "loop"), tmp_path / "cache")
    assert models.load(fetched)[1].chat_template == template.read_text()
    template.write_text("{% for message in messages %}{{ message['role'] }}{% endfor %}")
    with pytest.raises(ModelError, match="writes 0 image placeholders"):
        seeds.ready(bare, shop, "loop", template=template)
