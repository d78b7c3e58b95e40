"""Rows' lengths as the processor has them, limits with numbers, the estimate of memory, and running out of it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from datasets import Dataset, Features, Image, List, Value
from PIL import Image as Pictures
from trl.trainer.dpo_trainer import DataCollatorForVisionPreference
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from ratchet import models
from ratchet.errors import TrainError
from ratchet.recipe import LoraConfig, ParametersConfig, ReinforcementConfig, TrainConfig
from ratchet.train import METHODS, Job, limits, memory, plans, sft, weights
from ratchet.train.dryrun import Rehearsed
from tests import architectures
from tests.unit.train.builders import Rows

SFT = ("prompt", "completion")
_MESSAGES = List({"role": Value("string"), "content": Value("string")})


def picture(width: int, height: int, turned: int = 1) -> dict[str, Any]:
    out, exif = io.BytesIO(), Pictures.Exif()
    exif[0x0112] = turned
    Pictures.new("RGB", (width, height), (9, 8, 7)).save(out, "JPEG", exif=exif)
    return {"bytes": out.getvalue(), "path": None}


def many(n: int, asked: int = 3) -> Dataset:
    """Rows of one and two pictures of several sizes, and questions of several lengths."""
    features = Features({"images": List(Image(mode="RGB")), "prompt": _MESSAGES, "completion": _MESSAGES})
    return Dataset.from_list(
        [
            {
                "images": [picture((48, 64, 192)[i % 3], 48, 6 if i % 2 else 1)] * (1 + i % 2),
                "prompt": [{"role": "user", "content": "how many " * (i % asked + 1)}],
                "completion": [{"role": "assistant", "content": "two red"}],
            }
            for i in range(n)
        ],
        features=features,
    )


@pytest.mark.parametrize("name", sorted(architectures.ARCHITECTURES))
def test_lengths_are_those_of_what_is_trained_on(name: str) -> None:
    _, processor = architectures.ARCHITECTURES[name](0)
    rows = many(12)
    found = limits.lengths(rows, processor, SFT)
    collate = DataCollatorForVisionLanguageModeling(processor, completion_only_loss=True)
    masks = [collate([row]) for row in rows]
    assert found.total.tolist() == [int(mask["attention_mask"].sum()) for mask in masks]
    image = processor.tokenizer.convert_tokens_to_ids("<image>")
    assert all(found.pictured >= np.array([int((mask["input_ids"] == image).sum()) for mask in masks]))


def test_a_picture_cut_into_tiles_counts_by_its_size() -> None:
    _, processor = architectures.ARCHITECTURES["idefics3"](0)
    processor.image_processor.do_image_splitting = True
    processor.image_processor.do_resize = True
    processor.image_processor.size = {"longest_edge": 96}
    rows = many(6)
    found = limits.lengths(rows, processor, SFT)
    assert len(set(found.pictured.tolist())) > 2
    collate = DataCollatorForVisionLanguageModeling(processor, completion_only_loss=True)
    assert found.total.tolist() == [int(collate([row])["attention_mask"].sum()) for row in rows]


def test_where_sums_do_not_agree_all_rows_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    _, processor = architectures.ARCHITECTURES["llava"](0)
    rows = many(5)
    right = limits.lengths(rows, processor, SFT).total.tolist()
    monkeypatch.setattr(limits, "_added", lambda _, sizes: dict.fromkeys(sizes, 1))
    assert limits.lengths(rows, processor, SFT).total.tolist() == right


def test_the_longer_side_of_a_pair_counts(rows_of: Rows, seed_dir: Path) -> None:
    processor = models.load(seed_dir)[1]
    rows = rows_of("dpo", 6)
    found = limits.lengths(rows, processor, ("prompt", "chosen", "rejected"))
    collate = DataCollatorForVisionPreference(processor=processor)
    for row, total in zip(rows, found.total.tolist(), strict=True):
        assert int(collate([row])["attention_mask"].sum(dim=1).max()) == total


def test_rows_that_are_too_long_are_named_with_numbers(seed_dir: Path, tmp_path: Path) -> None:
    rows = many(4, asked=1)
    listed = rows.to_list()
    listed[2]["prompt"][0]["content"] = "how many " * 200
    rows = Dataset.from_list(listed, features=rows.features)
    with pytest.raises(
        TrainError,
        match=r"1 of 4 rows are longer than the model's 256 positions \(rows 2\)\. The longest is row 2 \('how many .*4\d\d tokens, "
        r"\d+ of them for 1 pictures, 3 for the answer",
    ):
        METHODS["sft"](Job(TrainConfig(max_steps=1, batch_size=2), seed_dir, rows, tmp_path / "out", 1))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("optimiser", "size"),
    [
        ("adamw_torch", 8),
        ("adamw_torch_fused", 8),
        ("adamw_8bit", 2),
        ("paged_adamw_8bit", 2),
        ("adafactor", 0.1),
        ("sgd", 0),
    ],
)
def test_optimisers_keep_so_many_bytes_a_weight(optimiser: str, size: float) -> None:
    assert memory.state_bytes(optimiser) == size


def test_what_learns_is_counted_as_it_will_be(seed_dir: Path, tmp_path: Path) -> None:
    from peft import get_peft_model

    for lora in (LoraConfig(rank=3), LoraConfig(rank=3, vision=False), LoraConfig(rank=3, targets=("q_proj",))):
        config = TrainConfig(lora=lora)
        model, _ = weights.load(seed_dir, config, sft.arguments(config, tmp_path, 0))
        counted = weights.learning(config, model)
        assert weights.sizes(get_peft_model(model, weights.adapter(config, model)))[1] == counted


def estimated(config: TrainConfig, seed_dir: Path, folder: Path) -> memory.Estimate:
    settings = sft.arguments(config, folder, 0)
    model, _ = weights.load(seed_dir, config, settings)
    return memory.estimate(model, config, settings, memory.Batch(sequences=4, tokens=50, patches=36))


def test_the_parts_are_those_of_the_formula(seed_dir: Path, tmp_path: Path) -> None:
    """Seed: 582,816 weights; text 96 wide, 4 heads of 32, MLP 288, 3 layers, 88 words; vision 96 wide, MLP 288, 1 layer."""
    found = estimated(TrainConfig(), seed_dir, tmp_path)
    if found.device != "cpu":
        pytest.skip("for a CPU")
    text = 4 * 200 * 3 * (6 * 96 + 3 * 128 + 2 * 128 + 4 * 288)
    vision = 4 * 36 * 1 * (9 * 96 + 2 * 288)
    last = 7 * 200 * 88 * 4 + 2 * 4 * 200 * 96 + 4 * 88 * 96
    assert found.parts["activations and logits"] == text + vision + last
    assert found.parts["optimiser state"] == 8 * 582_816
    assert found.parts["gradients"] == 4 * 582_816
    assert found.total == found.held + sum(found.parts.values())


def test_checkpointing_freezing_and_adapters_lower_the_estimate(seed_dir: Path, tmp_path: Path) -> None:
    whole = estimated(TrainConfig(), seed_dir, tmp_path).parts
    again = estimated(TrainConfig(parameters=ParametersConfig(gradient_checkpointing=True)), seed_dir, tmp_path).parts
    frozen = estimated(TrainConfig(parameters=ParametersConfig(frozen=("vision",))), seed_dir, tmp_path).parts
    small = estimated(TrainConfig(lora=LoraConfig(rank=2)), seed_dir, tmp_path).parts
    assert again["activations and logits"] < whole["activations and logits"]
    assert frozen["activations and logits"] < whole["activations and logits"]
    assert frozen["optimiser state"] < whole["optimiser state"]
    assert small["optimiser state"] < frozen["optimiser state"]


def test_a_reference_model_is_kept_without_adapters_only() -> None:
    plain, lora = TrainConfig(method="dpo"), TrainConfig(method="dpo", lora=LoraConfig())
    assert memory.keeps_reference(plain, SimpleNamespace())
    assert not memory.keeps_reference(lora, SimpleNamespace())
    assert not memory.keeps_reference(TrainConfig(), SimpleNamespace())


def test_what_cannot_fit_is_refused_with_a_table_and_levers(
    seed_dir: Path, rows_of: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "holding", lambda *_: (300 << 20, 301 << 20))
    job = Job(TrainConfig(max_steps=1, batch_size=8), seed_dir, rows_of("sft", 8), tmp_path / "out", 1)
    with pytest.raises(TrainError, match=r"memory_share allows 0\.95 of the 0\.29 GiB") as refused:
        METHODS["sft"](job)
    for word in (
        "optimiser state",
        "activations and logits",
        "in all",
        "train.batch_size (8)",
        "train.lora",
        "adamw_8bit",
    ):
        assert word in str(refused.value)
    never = TrainConfig(max_steps=1, batch_size=8, warmup_ratio=0, parameters=ParametersConfig(memory_share=None))
    METHODS["sft"](Job(never, seed_dir, rows_of("sft", 8), tmp_path / "out", 1))


def test_a_dry_run_measures_the_longest_rows_and_saves_nothing(seed_dir: Path, rows_of: Rows, tmp_path: Path) -> None:
    job = Job(TrainConfig(epochs=2, batch_size=8), seed_dir, rows_of("sft", 30), tmp_path / "out", 1, dry=1)
    with pytest.raises(Rehearsed) as done:
        METHODS["sft"](job)
    found = done.value.rehearsal
    assert (found.method, found.rows, found.steps) == ("sft", 30, 8)
    assert found.longest_tokens > found.picture_tokens > 0
    assert found.measured is not None
    assert 0.5 < found.estimated / found.measured < 2
    assert 0 < found.step_seconds <= found.seconds
    assert not (tmp_path / "out").exists()


def test_the_worst_step_comes_first(seed_dir: Path, tmp_path: Path) -> None:
    rows, config = many(9), TrainConfig(batch_size=4)
    settings = sft.arguments(config, tmp_path, 0)
    model, processor = weights.load(seed_dir, config, settings)
    found = plans.plan(config, settings, rows, model, processor, SFT)
    assert sorted(found.lengths.total[list(found.longest)]) == sorted(found.lengths.total)[-4:]
    assert (found.per_step, found.steps) == (4, 9)


@pytest.mark.parametrize(
    ("prompts", "accumulate", "batches", "iterations", "steps"),
    [
        (40, 1, 1, 1, 20),  # 8 completions of 4 each: 2 prompts a step
        (41, 1, 1, 2, 40),  # each pair of prompts twice; the odd one is left out
        (40, 2, 4, 1, 10),  # 4 prompts a step, 8 are answered at once
        (47, 2, 4, 3, 30),
    ],
)
def test_steps_of_reinforcement_count_every_pass_over_completions(
    prompts: int, accumulate: int, batches: int, iterations: int, steps: int
) -> None:
    settings = SimpleNamespace(
        gradient_accumulation_steps=accumulate, steps_per_generation=batches, num_iterations=iterations
    )
    config = TrainConfig(method="grpo", batch_size=8, rl=ReinforcementConfig(k=4))
    assert plans._per_epoch(config, settings, prompts, 2 * accumulate) == steps


def test_keys_and_values_are_of_all_completions_that_are_made_at_once(seed_dir: Path) -> None:
    model = models.load(seed_dir)[0]
    batch = memory.Batch(sequences=4, tokens=50, patches=0, new=8)
    # 2 x 4 bytes x 3 layers x 4 heads x 32 numbers, for 4 sequences of 50 tokens.
    assert memory.rollouts(model, batch, 4) == 2 * 4 * 3 * 4 * 32 * 200
    assert memory.rollouts(model, batch, 4, 3) == 3 * memory.rollouts(model, batch, 4)


_STARVED = """
import json, resource, sys
from pathlib import Path
from datasets import Dataset
from ratchet.errors import TrainError
from ratchet.recipe import ParametersConfig, TrainConfig
from ratchet.train import METHODS, Job, room
seed, rows, out = map(Path, sys.argv[1:])
config = TrainConfig(max_steps=2, batch_size=48, parameters=ParametersConfig(memory_share=None))
import ratchet.train.sft, ratchet.train.session
now = room.status("VmSize")
resource.setrlimit(resource.RLIMIT_AS, (now + (400 << 20), now + (400 << 20)))
try:
    METHODS["sft"](Job(config, seed, Dataset.load_from_disk(str(rows)), out, 1))
except TrainError as error:
    print(json.dumps(str(error)))
"""


def test_running_out_of_memory_says_what_to_change_and_saves_nothing(seed_dir: Path, tmp_path: Path) -> None:
    many(48, asked=60).save_to_disk(str(tmp_path / "rows"))
    command = [sys.executable, "-c", _STARVED, str(seed_dir), str(tmp_path / "rows"), str(tmp_path / "out")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    said = json.loads(ended.stdout.strip().splitlines()[-1]) if ended.stdout.strip() else ended.stderr[-2000:]
    assert "out of memory with train.batch_size 48; nothing was saved" in said
    assert "lower train.batch_size (48)" in said
    assert not (tmp_path / "out").exists()
