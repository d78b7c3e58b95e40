"""The shipped seed: loads anywhere, answers well above chance, batches one- and two-picture prompts."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from ratchet.tinyworld import SKILLS, items, measure, rows, seed, seed_model
from ratchet.tinyworld.digits import PARTS


@pytest.fixture(scope="module")
def shipped() -> tuple[Any, Any]:
    torch.set_num_threads(1)
    return seed.load()


def test_the_shipped_files_are_small_and_hold_no_code() -> None:
    files = [path for path in seed.SEED_DIR.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 4_000_000
    assert {path.suffix for path in files} <= {".json", ".jinja", ".safetensors", ".md"}


def test_the_seed_is_well_above_chance_and_below_its_ceiling(shipped: tuple[Any, Any]) -> None:
    marked = measure.marks(*shipped, list(items("validation", 90, 0)))
    assert 55 < measure.accuracy(marked) < 90


def test_a_mixed_batch_answers_as_a_batch_of_one_does(shipped: tuple[Any, Any]) -> None:
    asked = list(items("validation", 27, 5))
    model, processor = shipped
    inputs = processor(
        images=[list(item.pictures) for item in asked],
        text=[rows.chat_text(processor, item.question, len(item.scenes)) for item in asked],
        padding=True,
        return_tensors="pt",
    )
    with torch.inference_mode():
        out = model.generate(**inputs, max_new_tokens=measure.MAX_NEW_TOKENS, do_sample=False)
    together = processor.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    alone = {item.index: texts[0] for item, texts in measure.answers(model, processor, asked, batch=1)}
    assert together == [alone[item.index] for item in asked]


def test_rows_made_by_hand_equal_what_the_processor_makes(shipped: tuple[Any, Any]) -> None:
    _, processor = shipped
    for item in items("labels", 9, 0):
        made = rows.rows_of(processor, [item])
        text = rows.chat_text(processor, item.question, len(item.scenes), item.answer)
        expected = processor(images=[list(item.pictures)], text=[text], return_tensors="pt")
        batch = rows.batch_of(made, [0], pad=0)
        assert batch["input_ids"].tolist() == expected["input_ids"].tolist()
        assert torch.allclose(batch["pixel_values"], expected["pixel_values"], atol=1e-6)
        learned = batch["labels"][batch["labels"] != rows.IGNORED]
        assert processor.decode(learned) == f"{item.answer} {seed_model.EOS}"


def test_the_template_takes_strings_and_parts_and_marks_the_answer(shipped: tuple[Any, Any]) -> None:
    _, processor = shipped
    for content in ("read the digits .", [{"type": "text", "text": "read the digits ."}]):
        turns = [{"role": "user", "content": content}, {"role": "assistant", "content": "3 1"}]
        made = processor.tokenizer.apply_chat_template(
            turns, chat_template=processor.chat_template, return_dict=True, return_assistant_tokens_mask=True
        )
        learned = [t for t, m in zip(made["input_ids"], made["assistant_masks"], strict=True) if m]
        assert processor.decode(learned) == f"3 1 {seed_model.EOS}"


def test_every_word_of_questions_and_answers_has_a_token(shipped: tuple[Any, Any]) -> None:
    _, processor = shipped
    text = " ".join(f"{item.question} {item.answer}" for item in items("pool", 900, 0))
    assert processor.tokenizer.unk_token_id not in processor.tokenizer(text).input_ids


def test_a_saved_seed_loads_again_with_the_same_weights(shipped: tuple[Any, Any], tmp_path: Path) -> None:
    seed_model.save(*shipped, tmp_path)
    again, processor = seed.load(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(shipped[0].parameters(), again.parameters(), strict=True))
    assert processor.chat_template == shipped[1].chat_template
    assert again.generation_config.eos_token_id == processor.tokenizer.eos_token_id


def test_the_labels_file_makes_the_rows_that_were_used() -> None:
    written = json.loads((seed.SEED_DIR / "labels.json").read_text())
    assert written == json.loads(json.dumps(asdict(seed.SeedConfig())))
    labels = list(seed.seed_labels())
    assert len(labels) == sum(part.rows for part in seed.CYCLES[-1].stretches[-1].labels)
    assert set(Counter(item.skill for item in labels)) == set(SKILLS)
    first, last = PARTS["labels"]
    assert all(first <= sample < last for item in labels for sample in item.handwriting)


def test_training_twice_gives_the_same_weights(tmp_path: Path) -> None:
    tiny = seed.Labels(36, 0)
    again = seed.Cycle(1e-3, 1, (seed.Stretch(16, (tiny, seed.Labels(8, 1, ("add",), 2))),))
    config = seed.SeedConfig(cycles=(seed.Cycle(2e-3, 0, (seed.Stretch(32, (tiny,)),)), again), batch=16, asked=9)
    reports = [seed.train_seed(tmp_path / name, config) for name in ("a", "b")]
    assert reports[0]["weights"] == reports[1]["weights"]
    assert len(list(seed.seed_labels(tmp_path / "a"))) == 44
