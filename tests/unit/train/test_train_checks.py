"""Rows that cannot be trained on are refused before training, with numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from datasets import Dataset
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from ratchet import models
from ratchet.artifacts import ImageBank
from ratchet.errors import TrainError
from ratchet.generate.chat import chat_text, encode
from ratchet.records import Group
from ratchet.train.checks import check_rendering, check_rows
from tests.unit.train.builders import Rows

SFT = ("prompt", "completion")
DPO = ("prompt", "chosen", "rejected")


@pytest.fixture(scope="module")
def processor(seed_dir: Path) -> Any:
    return models.load(seed_dir)[1]


def edited(rows: Any, number: int, **columns: Any) -> Dataset:
    """The rows with one of them changed."""
    listed = rows.with_format("arrow")[:].to_pylist()
    listed[number] = {**listed[number], **columns}
    return Dataset(pa.Table.from_pylist(listed, schema=rows.features.arrow_schema))


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_good_rows_pass(rows_of: Rows, processor: Any) -> None:
    for method, texts in (("sft", SFT), ("dpo", DPO)):
        rows: Any = rows_of(method)
        check_rows(rows, texts)
        check_rendering(rows, processor, texts)


def test_training_shows_a_prompt_as_sampling_does(
    rows_of: Rows, groups: Sequence[Group], bank: ImageBank, processor: Any
) -> None:
    """Token by token and pixel by pixel: what is learned is the answer to what was asked."""
    by_id = sorted(groups, key=lambda group: group.prompt.id)
    for number, row in list(enumerate(rows_of("sft")))[:9]:
        prompt = by_id[number].prompt
        text = chat_text(processor, prompt.messages, len(prompt.images))
        sampled = encode(processor, [text], [bank.images(prompt.images)])
        collated = DataCollatorForVisionLanguageModeling(processor, completion_only_loss=True)([row])
        length = sampled["input_ids"].shape[1]
        assert torch.equal(collated["input_ids"][:, :length], sampled["input_ids"])
        assert torch.equal(collated["pixel_values"], sampled["pixel_values"])
        assert (collated["labels"][:, :length] == -100).all()
        assert (collated["labels"][:, length:] != -100).all()
        answer = processor.tokenizer.decode(collated["input_ids"][0, length:])
        assert answer == f"{prompt.reference} <end_of_utterance>"


def test_no_rows_are_refused() -> None:
    with pytest.raises(TrainError, match="0 rows to train on"):
        check_rows(Dataset.from_list([]), SFT)


def test_missing_columns_are_named(rows_of: Rows) -> None:
    with pytest.raises(TrainError, match="lack the columns chosen, rejected; they have images, prompt, completion"):
        check_rows(rows_of("sft"), DPO)


@pytest.mark.parametrize("images", [[], None, [{"bytes": None, "path": None}]])
def test_a_row_without_its_picture_is_refused(rows_of: Rows, images: Any) -> None:
    broken = edited(rows_of("sft", 9), 3, images=images)
    with pytest.raises(TrainError, match=r"1 of 9 rows lack a picture or its bytes \(first: row 3\)"):
        check_rows(broken, SFT)


def test_a_pair_with_equal_sides_is_refused(rows_of: Rows) -> None:
    same = [{"role": "assistant", "content": "2"}]
    rows = edited(rows_of("dpo", 9), 4, chosen=same, rejected=same)
    with pytest.raises(TrainError, match=r"1 of 9 pairs have the same text on both sides \(first: row 4\)"):
        check_rows(rows, DPO)


def test_a_placeholder_in_the_text_is_refused(rows_of: Rows, processor: Any) -> None:
    rows = edited(rows_of("sft", 9), 5, prompt=user("how many <image> ?"))
    with pytest.raises(
        TrainError, match=r"1 of 9 rows have an image placeholder \(<image>\) in their text \(first: row 5\)"
    ):
        check_rendering(rows, processor, SFT)


def test_a_template_that_forgets_pictures_is_refused(rows_of: Rows, seed_dir: Path) -> None:
    processor = models.load(seed_dir)[1]
    processor.chat_template = "{% for message in messages %}{{ message['role'] }}{% endfor %}"
    with pytest.raises(TrainError, match="pictures, but the chat template writes 0 image placeholders"):
        check_rendering(rows_of("sft", 9), processor, SFT)


def test_a_template_that_fails_is_told(rows_of: Rows, seed_dir: Path) -> None:
    processor = models.load(seed_dir)[1]
    processor.chat_template = "{{ raise_exception('strings only') }}"
    with pytest.raises(TrainError, match=r"the chat template fails on row 0: .*strings only"):
        check_rendering(rows_of("sft", 9), processor, SFT)
