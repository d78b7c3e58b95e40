"""Supervised fine-tuning: what counts in the loss, what is shown in the prompt, from where it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from pydantic import ValidationError
from transformers import Trainer
from trl import SFTConfig, SFTTrainer

from ratchet import models
from ratchet.artifacts import ImageBank
from ratchet.errors import TrainError
from ratchet.recipe import TrainConfig
from ratchet.records import Completion, Group, Message, Prompt, Shown
from ratchet.train import METHODS, Job
from ratchet.train.curriculum import Known
from ratchet.train.rows import ROWS, joined, sft_rows, shown_rows
from tests import tiny
from tests.unit.train.builders import SKILLS, Rows, completion, recipe_of

DESCRIBED = "red circle . how many circles ?"
CAPTIONED = {"strategy": {"name": "captioned", "caption": "list the objects .", "instruction": "{caption} {question}"}}


def shown(prompt: Prompt, text: str = DESCRIBED, begun: str = "", pictures: Sequence[Any] | None = None) -> Shown:
    images = prompt.images if pictures is None else tuple(pictures)
    return Shown(messages=(Message(role="user", content=text),), images=images, begun=begun)


def answered(prompt: Prompt, *completions: Completion) -> Group:
    kept = tuple(one.model_copy(update={"index": i, "kept": True}) for i, one in enumerate(completions))
    return Group(prompt=prompt, completions=kept, uses=("sft",))


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, torch.Tensor]]:
    """The tensors of every step that follows."""
    seen: list[dict[str, torch.Tensor]] = []
    own = Trainer.training_step

    def step(self: Any, model: Any, inputs: dict[str, Any], *rest: Any) -> Any:
        seen.append({name: value.clone() for name, value in inputs.items() if isinstance(value, torch.Tensor)})
        return own(self, model, inputs, *rest)

    monkeypatch.setattr(Trainer, "training_step", step)
    return seen


def log_likelihoods(seed_dir: Path, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """log p of each token but the first, under the seed (rows x tokens - 1)."""
    model, _ = models.load(seed_dir)
    given = {name: value for name, value in inputs.items() if name != "labels"}
    with torch.inference_mode():
        logits = model(**given).logits[:, :-1].float()
    return logits.log_softmax(-1).gather(-1, inputs["input_ids"][:, 1:, None]).squeeze(-1)


def test_the_loss_is_over_the_answers_tokens_alone(
    rows_of: Rows, seed_dir: Path, steps: list[dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    rows = rows_of("sft", 12)
    config = TrainConfig(max_steps=1, batch_size=12, warmup_ratio=0)
    report = METHODS["sft"](Job(config, seed_dir, rows, tmp_path / "out", 3))
    (inputs,) = steps
    tokenizer = models.load(seed_dir)[1].tokenizer
    learned = [tokenizer.decode(line[line != -100]) for line in inputs["labels"]]
    assert sorted(learned) == sorted(f"{row['completion'][0]['content']} <end_of_utterance>" for row in rows)
    scores = log_likelihoods(seed_dir, inputs)
    answer = inputs["labels"][:, 1:] != -100
    said = inputs["attention_mask"][:, 1:] == 1
    assert report.log[0].loss == pytest.approx(-float(scores[answer].mean()), abs=2e-4)
    assert abs(report.log[0].loss + float(scores[said].mean())) > 0.05, "prompts have another loss than answers"


def test_the_labels_are_the_last_tokens_of_a_row_that_count(seed_dir: Path, rows_of: Rows) -> None:
    rows = rows_of("sft", 6)
    settings = SFTConfig(output_dir="unused", use_cpu=True, bf16=False, report_to=[], max_length=None)
    model, processor = models.load(seed_dir)
    trainer = SFTTrainer(model=model, args=settings, train_dataset=rows, processing_class=processor)
    batch = trainer.data_collator([dict(row) for row in rows])
    for row, labels, mask in zip(rows, batch["labels"], batch["attention_mask"], strict=True):
        tokens = len(processor.tokenizer(row["completion"][0]["content"])["input_ids"]) + 1
        said = mask.nonzero().flatten()
        assert (labels != -100).nonzero().flatten().tolist() == said[-tokens:].tolist()
        assert len(said) > tokens + 12, "a picture's tokens stand before"


def test_a_packed_row_with_pictures_is_refused_by_trl(rows_of: Rows, seed_dir: Path) -> None:
    """Why there is no such option: once TRL packs rows with pictures, this fails."""
    model, processor = models.load(seed_dir)
    for option in ({"packing": True, "max_length": 256}, {"padding_free": True, "max_length": None}):
        settings = SFTConfig(output_dir="unused", use_cpu=True, bf16=False, report_to=[], **option)
        with pytest.raises(ValueError, match=r"not supported for vision datasets"):
            SFTTrainer(model=model, args=settings, train_dataset=rows_of("sft", 4), processing_class=processor)


def test_what_was_shown_is_the_prompt_with_its_pictures(bank: ImageBank, tmp_path: Path) -> None:
    one, two = tiny.world("pool", 60, SKILLS)[0][1:3]
    assert (len(one.images), len(two.images)) == (1, 2)
    group = answered(
        one,
        completion(0, "two").model_copy(update={"input": shown(one, begun="two")}),
        completion(1, "3").model_copy(update={"input": shown(one, "which is it ?", pictures=two.images)}),
        completion(2, "four"),
    )
    rows = shown_rows([group])
    assert [row["prompt"] for row in rows] == [
        [{"role": "user", "content": DESCRIBED}],
        [{"role": "user", "content": "which is it ?"}],
        [{"role": m.role, "content": m.content} for m in one.messages],
    ]
    assert [len(row["images"]) for row in rows] == [1, 2, 1]
    assert [row["completion"][0]["content"] for row in rows] == ["two", "3", "four"]
    assert [len(row["images"]) for row in joined(rows, bank, tmp_path / "rows.arrow")] == [1, 2, 1]
    assert all(row["prompt"] == sft_rows([group])[0]["prompt"] for row in sft_rows([group]))


def test_rows_of_shown_prompts_find_their_facts() -> None:
    prompt = tiny.world("pool", 1, SKILLS)[0][0]
    recipe = recipe_of("sft", prompt="shown", generate=CAPTIONED)
    known = Known(recipe.verify)
    group = answered(prompt, completion(0, "two").model_copy(update={"input": shown(prompt)}))
    (row,) = ROWS["sft"](known.noting([group]), recipe)
    assert row["prompt"][0]["content"] == DESCRIBED
    assert known.of(row).skill == prompt.skill


def test_where_nothing_was_shown_there_is_nothing_to_learn() -> None:
    prompt = tiny.world("pool", 1, SKILLS)[0][0]
    with pytest.raises(TrainError, match=r"none of the 1 kept answers was shown anything but its stored prompt"):
        shown_rows([answered(prompt, completion(0, "two"))])
    assert shown_rows([]) == []


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ({"name": "hinted", "hint": "{hint} {question}"}, "would teach to copy the hint"),
        ({"name": "random"}, "random shows the stored prompt alone"),
    ],
)
def test_strategies_whose_prompts_must_not_be_learned_are_refused(strategy: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        recipe_of("sft", prompt="shown", generate={"strategy": strategy})


def test_a_description_in_the_prompt_reaches_the_loss(
    seed_dir: Path, bank: ImageBank, steps: list[dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    prompts = tiny.world("pool", 60, SKILLS)[0][:4]
    groups = [answered(p, completion(0, "2").model_copy(update={"input": shown(p)})) for p in prompts]
    tokenizer = models.load(seed_dir)[1].tokenizer
    for kind in ("stored", "shown"):
        recipe = recipe_of("sft", prompt=kind, max_steps=1, batch_size=4, warmup_ratio=0, generate=CAPTIONED)
        rows = joined(ROWS["sft"](groups, recipe), bank, tmp_path / f"{kind}.arrow")
        METHODS["sft"](Job(recipe.train, seed_dir, rows, tmp_path / kind, 3))
    stored, described = ([tokenizer.decode(line) for line in step["input_ids"]] for step in steps)
    assert not any(DESCRIBED in text for text in stored)
    assert all(DESCRIBED in text for text in described)
    assert all(int((line != -100).sum()) == 2 for line in steps[1]["labels"]), "the description is not learned itself"


def test_training_begins_with_the_weights_it_is_given(rows_of: Rows, seed_dir: Path, tmp_path: Path) -> None:
    """Two steps from the base differ from two steps that go on from the last: what `train.start` chooses."""
    rows: Dataset = rows_of("sft", 16)
    job = Job(TrainConfig(max_steps=2, batch_size=8, warmup_ratio=0), seed_dir, rows, tmp_path / "first", 3)
    first = METHODS["sft"](job)
    onward = METHODS["sft"](replace(job, seed_dir=tmp_path / "first", out_dir=tmp_path / "onward"))
    restart = METHODS["sft"](replace(job, out_dir=tmp_path / "restart"))
    assert restart.log == first.log
    assert onward.loss_first < first.loss_first
