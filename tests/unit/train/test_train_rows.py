"""Groups become TRL's rows: the columns, the order, and what is left out."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from ratchet.artifacts import ImageBank, ref_of
from ratchet.errors import TrainError
from ratchet.records import Group, ImageRef, Message, Pair, Prompt, Shown
from ratchet.store.folder import FolderStore
from ratchet.train.rows import joined, sft_rows
from tests import tiny
from tests.unit.train.builders import SKILLS, completion, group_of


def asked(question: str, *pictures: str) -> Prompt:
    refs = [ImageRef(sha256=p * 64, media_type="image/png", width=48, height=48) for p in pictures]
    return Prompt.make(
        messages=(Message(role="system", content="be brief"), Message(role="user", content=question)),
        images=refs,
        skill="count",
        source="test",
        reference="2",
    )


ONE = asked("how many red circles ?", "a")
TWO = asked("which picture has more ?", "b", "c")


def test_a_kept_completion_becomes_an_sft_row() -> None:
    group = Group(
        prompt=ONE, completions=(completion(0, "3", kept=False), completion(1, "2", kept=True)), uses=("sft",)
    )
    assert sft_rows([group]) == [
        {
            "images": ["a" * 64],
            "prompt": [
                {"role": "system", "content": "be brief"},
                {"role": "user", "content": "how many red circles ?"},
            ],
            "completion": [{"role": "assistant", "content": "2"}],
        }
    ]


def test_groups_for_other_uses_give_no_rows() -> None:
    kept = (completion(0, "2", kept=True), completion(1, "3", kept=None))
    pairs = (Pair(chosen=0, rejected=1, margin=1.0, reason="score"),)
    group = Group(prompt=ONE, completions=kept, pairs=pairs, uses=("rl",))
    assert sft_rows([group]) == []


def test_the_stored_prompt_is_learned_not_the_hint_that_was_shown() -> None:
    shown = Shown(messages=(Message(role="user", content="hint : 2"),), images=ONE.images)
    hinted = completion(0, "2", kept=True).model_copy(update={"input": shown})
    (row,) = sft_rows([Group(prompt=ONE, completions=(hinted,), uses=("sft",))])
    assert row["prompt"][-1]["content"] == "how many red circles ?"


def test_rows_come_in_the_same_order_whatever_order_the_groups_have(groups: Sequence[Group]) -> None:
    few = groups[:4]
    made = [sft_rows(order) for order in itertools.permutations(few)]
    assert all(rows == made[0] for rows in made)
    texts = {group.prompt.id: group.prompt.question for group in few}
    assert [row["prompt"][0]["content"] for row in made[0]] == [texts[i] for i in sorted(texts)]


def test_joined_rows_keep_their_order_and_decode_their_own_pictures(
    groups: Sequence[Group], bank: ImageBank, tmp_path: Path
) -> None:
    rows = sft_rows(groups)
    data = joined(rows, bank, tmp_path / "rows.arrow")
    assert [row["prompt"] for row in data] == [row["prompt"] for row in rows]
    for made, row in zip(data, rows, strict=True):
        assert [i.mode for i in made["images"]] == ["RGB"] * len(row["images"])
        assert [i.tobytes() for i in made["images"]] == [bank.image(sha).tobytes() for sha in row["images"]]
    assert {len(row["images"]) for row in data} == {1, 2}


def test_joined_rows_hold_no_pictures_in_memory(groups: Sequence[Group], bank: ImageBank, tmp_path: Path) -> None:
    file = tmp_path / "rows.arrow"
    data = joined(sft_rows(groups), bank, file)
    assert [entry["filename"] for entry in data.cache_files] == [str(file)]


def test_a_picture_that_lies_on_its_side_is_trained_on_as_it_was_sampled(store: FolderStore, tmp_path: Path) -> None:
    picture = Image.new("L", (40, 20))
    picture.paste(255, (0, 0, 10, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    picture.save(file, "JPEG", exif=exif)
    ref = ref_of(file.getvalue())
    bank = tiny.bank(store, {ref.sha256: file.getvalue()})
    prompt = Prompt.make(messages=ONE.messages, images=[ref], skill="count", source="test", reference="2")
    (row,) = joined(sft_rows([group_of(prompt)]), bank, tmp_path / "rows.arrow")
    assert row["images"][0].size == (20, 40)
    assert row["images"][0].tobytes() == bank.image(ref.sha256).tobytes()


def test_a_picture_that_no_pack_holds_is_refused_with_numbers(bank: ImageBank, tmp_path: Path) -> None:
    prompts, _ = tiny.world("pool", 1, SKILLS)
    rows = sft_rows(
        [group_of(prompts[0]), Group(prompt=TWO, completions=(completion(0, "2", kept=True),), uses=("sft",))]
    )
    with pytest.raises(TrainError, match=r"2 pictures of 2 rows are in none of the packs \(first: bbbb"):
        joined(rows, bank, tmp_path / "rows.arrow")
