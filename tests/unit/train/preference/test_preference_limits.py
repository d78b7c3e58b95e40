"""What picture terms read beside a pair counts in lengths, limits and the estimate of memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, Features, Image, List, Value

from ratchet.errors import TrainError
from ratchet.recipe import TrainConfig
from ratchet.train import METHODS, Job, dpo, limits, memory, plans, weights
from ratchet.train.preference.collating import BAD, CONTENT, PictureCollator
from tests import architectures
from tests.unit.train.test_train_limits import picture

PAIR = ("prompt", "chosen", "rejected")
MESSAGES = List({"role": Value("string"), "content": Value("string")})
PICTURES = List(Image(mode="RGB"))
FEATURES = Features(
    {"images": PICTURES, "bad_images": PICTURES, "rejected_images": PICTURES}
    | dict.fromkeys((*PAIR, "content_prompt", "content"), MESSAGES)
)


def said(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


def row(bad: int = 0, rejected: int = 192, caption: int = 0, chosen: int = 1) -> dict[str, Any]:
    """A pair beside a picture 192 wide and 48 high; `bad` and `rejected` are the widths of other pictures, `caption` a number of words."""
    return {
        "images": [picture(192, 48)],
        "bad_images": [picture(bad, 48)] if bad else [],
        "rejected_images": [picture(rejected, 48)],
        "prompt": said("user", "how many circles ?"),
        "chosen": said("assistant", "red " * chosen),
        "rejected": said("assistant", "two"),
        "content_prompt": said("user", "list the objects .") if caption else [],
        "content": said("assistant", "red " * caption) if caption else [],
    }


def rows_of(*rows: dict[str, Any]) -> Dataset:
    return Dataset.from_list(list(rows), features=FEATURES)


def splitting() -> Any:
    """A processor that scales pictures to 96 along their longer side and cuts them into tiles: the wider, the fewer tokens."""
    _, processor = architectures.ARCHITECTURES["idefics3"](0)
    processor.image_processor.do_image_splitting = True
    processor.image_processor.do_resize = True
    processor.image_processor.size = {"longest_edge": 96}
    return processor


def test_the_longest_of_all_that_is_read_of_a_row_is_its_length() -> None:
    processor = splitting()
    rows = rows_of(row(), row(bad=48), row(rejected=48), row(caption=40), row(bad=64, chosen=30), row(bad=192))
    found = limits.lengths(rows, processor, PAIR)
    collate = PictureCollator(processor, clean=False)
    for one, total in zip(rows, found.total.tolist(), strict=True):
        made = collate([one])
        parts = [made, *(made[name] for name in (BAD, CONTENT) if name in made)]
        assert max(int(part["attention_mask"].sum(1).max()) for part in parts) == total
    plain = limits.lengths(rows.remove_columns(["bad_images", "rejected_images", "content"]), processor, PAIR)
    assert (found.total > plain.total).tolist() == [False, True, True, True, True, False]
    assert found.pictured[1] > plain.pictured[1]


def test_a_caption_that_is_too_long_is_refused_before_the_first_step(seed_dir: Path, tmp_path: Path) -> None:
    rows = rows_of(row(), row(caption=300)).remove_columns("rejected_images")
    config = TrainConfig(method="dpo", max_steps=1, batch_size=2, pictures={"content": 1.0})
    with pytest.raises(TrainError, match=r"1 of 2 rows are longer than the model's 256 positions \(rows 1\)"):
        METHODS["dpo"](Job(config, seed_dir, rows, tmp_path / "out", 1))


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        (None, 2),
        ({"anchor": 1.0}, 2),
        ({"conditional": 1.0}, 3),
        ({"conditional": 1.0, "anchor": 1.0, "noised": 0.5, "content": 1.0}, 5),
    ],
)
def test_every_term_that_reads_an_answer_again_is_a_sequence_more(terms: Any, expected: int) -> None:
    assert plans.sides(TrainConfig(method="dpo", pictures=terms)) == expected
    assert plans.sides(TrainConfig(method="kto")) == 1


def test_terms_raise_the_estimate(seed_dir: Path, tmp_path: Path) -> None:
    """A seed of 88 words: the noised term's whole logits are 4 x rows x tokens x 88 bytes."""
    rows = rows_of(*[row(bad=64)] * 4).remove_columns("rejected_images")
    kept = {}
    for name, terms in (("plain", None), ("conditional", {"conditional": 1.0}), ("noised", {"noised": 1.0})):
        config = TrainConfig(method="dpo", batch_size=4, pictures=terms)
        settings = dpo.arguments(config, tmp_path, 0)
        model, processor = weights.load(seed_dir, config, settings)
        found = plans.plan(config, settings, rows, model, processor, PAIR)
        kept[name] = found.estimate.parts["activations and logits"]
        tokens = int(found.lengths.total.max())
    assert kept["plain"] < kept["conditional"] < kept["noised"]
    assert kept["noised"] - kept["conditional"] == 4 * 4 * tokens * 88
    assert memory.Batch(1, 1, 1).whole == 0
