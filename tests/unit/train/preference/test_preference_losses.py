"""Losses against values computed by hand from likelihoods that TRL had no part in."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from trl.trainer.dpo_trainer import DataCollatorForVisionPreference

from ratchet import models
from ratchet.recipe import LoraConfig, TrainConfig
from ratchet.train.preference.collating import PictureCollator
from tests.unit.train.builders import Rows
from tests.unit.train.preference.conftest import PictureRows
from tests.unit.train.preference.likelihoods import BETA, Pair

CLOSE = 1e-5
Measured = Callable[..., Pair]


def softplus(x: float) -> float:
    """-log sigma(-x)."""
    return math.log1p(math.exp(x))


def mean(values: Any) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


@pytest.fixture
def measured(seed_dir: Path, tmp_path: Path) -> Measured:
    def make(rows: Any, **config: Any) -> Pair:
        return Pair(TrainConfig(method="dpo", beta=BETA, **config), seed_dir, rows, tmp_path / "scratch")

    return make


def test_dpo_itself(rows_of: Rows, measured: Measured) -> None:
    one = measured(rows_of("dpo", 4), loss="sigmoid")
    by_hand = mean(softplus(-BETA * (one.reward(row, "chosen") - one.reward(row, "rejected"))) for row in one.rows)
    assert one.loss() == pytest.approx(by_hand, abs=CLOSE)
    assert abs(by_hand - math.log(2)) > 1e-3


def test_simpo_is_normalised_by_length_and_keeps_no_reference(rows_of: Rows, measured: Measured) -> None:
    one = measured(rows_of("dpo", 4), loss="simpo", simpo_gamma=0.4)
    sides = [
        [
            one.logp(one.trainer.model, row["prompt"], row[side], row["images"]) / one.length(row, side)
            for row in one.rows
        ]
        for side in ("chosen", "rejected")
    ]
    by_hand = mean(softplus(0.4 - BETA * (w - r)) for w, r in zip(*sides, strict=True))
    assert one.loss() == pytest.approx(by_hand, abs=CLOSE)
    assert list(one.trainer.ref_model.parameters()) == []


def test_stic_subtracts_a_1024th_of_the_chosen_answers_likelihood(rows_of: Rows, measured: Measured) -> None:
    one, plain = (measured(rows_of("dpo", 4), loss=loss) for loss in (("sigmoid", "stic"), ("sigmoid",)))
    chosen = [one.logp(one.trainer.model, row["prompt"], row["chosen"], row["images"]) for row in one.rows]
    assert one.loss() - plain.loss() == pytest.approx(-mean(chosen) / 1024, abs=CLOSE)
    assert mean(chosen) < -2


def test_mdpo(picture_rows: PictureRows, measured: Measured) -> None:
    terms = {"conditional": 0.7, "anchor": 1.3, "anchor_margin": 0.2, "bad": "crop"}
    one = measured(picture_rows(4, **terms), loss="sigmoid", pictures=terms)
    by_hand = 0.0
    for row in one.rows:
        chosen, rejected = one.reward(row, "chosen"), one.reward(row, "rejected")
        by_hand += softplus(-BETA * (chosen - rejected))
        by_hand += 0.7 * softplus(-BETA * (chosen - one.reward(row, "chosen", "bad_images")))
        by_hand += 1.3 * softplus(0.2 - BETA * chosen)
    assert one.loss() == pytest.approx(by_hand / 4, abs=CLOSE)


def test_rows_without_a_bad_picture_add_nothing_to_the_conditional_term(
    picture_rows: PictureRows, measured: Measured
) -> None:
    terms = {"conditional": 1.0}
    one = measured(picture_rows(4, **terms), loss="sigmoid", pictures=terms)
    plain = one.loss()
    left_out = [one.rows[n] for n in (1, 3)]
    expected = sum(
        softplus(-BETA * (one.reward(r, "chosen") - one.reward(r, "chosen", "bad_images"))) for r in left_out
    )
    for row in left_out:
        row["bad_images"] = []
    assert plain - one.loss() == pytest.approx(expected / 4, abs=CLOSE)


def test_povid_reads_what_the_policy_says_beside_the_noised_picture(
    picture_rows: PictureRows, measured: Measured
) -> None:
    terms = {"noised": 0.5, "bad": "diffusion", "bad_params": {"step": 900, "schedule": 0}}
    one = measured(picture_rows(4, **terms), loss="sigmoid", loss_weights=(0.5,), pictures=terms)
    by_hand, other = 0.0, 0
    for row in one.rows:
        answer = (row["prompt"], row["chosen"])
        picks = one.logits(one.trainer.model, *answer, row["bad_images"]).argmax(-1, keepdim=True)
        other += int((picks[:, 0] != one.tokens(*answer, row["images"])[1]).sum())
        ours, theirs = (
            float(one.logits(model, *answer, row["images"]).gather(1, picks).sum())
            for model in (one.trainer.model, one.reference)
        )
        chosen = one.reward(row, "chosen")
        by_hand += 0.5 * softplus(-BETA * (chosen - one.reward(row, "rejected")))
        by_hand += 0.5 * softplus(-BETA * (chosen - (ours - theirs)))
    assert other > 0
    assert one.loss() == pytest.approx(by_hand / 4, abs=CLOSE)


def test_sena_adds_the_captions_likelihood_per_token(picture_rows: PictureRows, measured: Measured) -> None:
    rows = picture_rows(4, described=3, content=0.9)
    one, plain = (measured(rows, loss="sigmoid", pictures=p) for p in ({"content": 0.9}, {"anchor": 1e-9}))
    captions = 0.0
    for row in one.rows[:3]:
        given = (row["content_prompt"], row["content"], row["images"])
        captions += one.logp(one.trainer.model, *given) / len(one.tokens(*given)[1])
    assert one.loss() - plain.loss() == pytest.approx(-0.9 * captions / 4, abs=CLOSE)


def test_image_dpo_is_any_loss_on_a_pair_of_inputs(picture_rows: PictureRows, measured: Measured) -> None:
    rows = picture_rows(4, conditional=1).rename_column("bad_images", "rejected_images").remove_columns("rejected")
    rows = rows.add_column("rejected", rows["chosen"])
    one = measured(rows, loss="sigmoid")
    by_hand = [one.reward(r, "chosen") - one.reward(r, "rejected", "rejected_images") for r in one.rows]
    assert one.loss() == pytest.approx(mean(softplus(-BETA * x) for x in by_hand), abs=CLOSE)
    ipo = measured(rows, loss="ipo")
    per_token = [x / ipo.length(row, "chosen") for x, row in zip(by_hand, ipo.rows, strict=True)]
    assert ipo.loss() == pytest.approx(mean((x - 1 / (2 * BETA)) ** 2 for x in per_token), rel=CLOSE)


def test_with_adapters_the_reference_is_the_model_without_them(picture_rows: PictureRows, measured: Measured) -> None:
    terms = {"conditional": 1.0, "anchor": 1.0}
    one = measured(picture_rows(4, **terms), loss="sigmoid", pictures=terms, lora=LoraConfig(rank=4))
    by_hand = 0.0
    for row in one.rows:
        chosen = one.reward(row, "chosen")
        margins = (chosen - one.reward(row, "rejected"), chosen - one.reward(row, "chosen", "bad_images"), chosen)
        by_hand += sum(softplus(-BETA * x) for x in margins)
    assert one.trainer.ref_model is None
    assert one.loss() == pytest.approx(by_hand / 4, abs=CLOSE)
    assert abs(by_hand / 4 - 3 * math.log(2)) > 1e-3


def test_rows_without_other_pictures_are_collated_as_by_trl(rows_of: Rows, seed_dir: Path) -> None:
    processor = models.load(seed_dir)[1]
    rows = list(rows_of("dpo", 9))
    theirs = DataCollatorForVisionPreference(processor)([dict(row) for row in rows])
    ours = PictureCollator(processor, clean=False)(rows)
    assert sorted(ours) == sorted(theirs)
    # What pads a row is of no matter.
    for made in (ours, theirs):
        made["input_ids"] = made["input_ids"] * made["attention_mask"]
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
