"""Every loss trains; bad pictures are learned from; what cannot be trained on is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from trl.trainer.kto_trainer import DataCollatorForVisionUnpairedPreference

from ratchet import models
from ratchet.artifacts import ImageBank, ref_of
from ratchet.errors import RecipeError, TrainError
from ratchet.recipe import LoraConfig, TrainConfig
from ratchet.recipe.training.names import LOSSES_OF
from ratchet.records import Group
from ratchet.store.folder import FolderStore
from ratchet.tinyworld.seed import SEED_DIR
from ratchet.train import METHODS, Job, TrainReport, check, dpo, kto
from ratchet.train.preference.pictures import BadPictures
from ratchet.train.rows import ROWS, joined
from tests import architectures, tiny
from tests.rows import png
from tests.unit.train.builders import Rows, recipe_of
from tests.unit.train.preference.conftest import PictureRows
from tests.unit.train.preference.likelihoods import Pair

NEED = {"exo_pair": {"label_smoothing": 1e-3}, "robust": {"label_smoothing": 0.1}}


def trained(config: TrainConfig, seed_dir: Path, rows: Any, out: Path) -> TrainReport:
    return METHODS[config.method](Job(config, seed_dir, rows, out, 3))


def short(method: Any = "dpo", **options: Any) -> TrainConfig:
    return TrainConfig(**{"method": method, "max_steps": 2, "batch_size": 4, "learning_rate": 1e-3, **options})


@pytest.mark.parametrize("loss", LOSSES_OF["dpo"])
def test_every_dpo_loss_moves_the_weights(loss: str, rows_of: Rows, seed_dir: Path, tmp_path: Path) -> None:
    one = Pair(short(loss=loss, trl=NEED.get(loss, {})), seed_dir, rows_of("dpo", 4), tmp_path)
    batch = one.trainer._prepare_inputs(one.trainer.data_collator(one.rows))
    value = one.trainer.compute_loss(one.trainer.model, batch)
    value.backward()
    assert torch.isfinite(value)
    assert any(bool(p.grad.abs().sum() > 0) for p in one.trainer.model.parameters() if p.grad is not None)


@pytest.mark.parametrize("loss", ["ipo", "simpo"])
def test_a_loss_trains(loss: str, rows_of: Rows, seed_dir: Path, tmp_path: Path) -> None:
    report = trained(short(loss=loss), seed_dir, rows_of("dpo", 8), tmp_path / "out")
    assert (report.steps, report.visits, len(report.log)) == (2, 8, 2)


@pytest.mark.parametrize("loss", LOSSES_OF["kto"])
def test_every_kto_loss_trains(loss: str, rows_of: Rows, seed_dir: Path, tmp_path: Path) -> None:
    report = trained(short("kto", loss=loss), seed_dir, rows_of("kto", 4), tmp_path / "out")
    assert (report.method, report.rows, report.visits, report.steps) == ("kto", 8, 8, 2)


def test_mpo_is_a_weighted_sum(rows_of: Rows, seed_dir: Path, tmp_path: Path) -> None:
    rows, parts = rows_of("dpo", 4), {"sigmoid": 0.8, "bco_pair": 0.2, "sft": 1.0}
    config = short(loss=tuple(parts), loss_weights=tuple(parts.values()))
    each = [Pair(short(loss=loss), seed_dir, rows, tmp_path).loss() for loss in parts]
    by_hand = sum(weight * loss for weight, loss in zip(parts.values(), each, strict=True))
    assert Pair(config, seed_dir, rows, tmp_path).loss() == pytest.approx(by_hand, abs=1e-5)


@pytest.mark.parametrize("divergence", ["forward_kl", "js_divergence", "alpha_divergence"])
def test_other_divergences_pass_through(divergence: str, tmp_path: Path) -> None:
    made = dpo.arguments(short(loss="sigmoid", trl={"f_divergence_type": divergence}), tmp_path, 0)
    assert made.f_divergence_type == divergence


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"loss": "exo_pair"}, "exo_pair needs label smoothing above 0; set train.trl.label_smoothing"),
        ({"loss": "nca_pair", "trl": {"f_divergence_type": "js_divergence"}}, "not defined for the losses nca_pair"),
        ({"method": "kto", "batch_size": 1}, "train.batch_size 1 leaves nothing to estimate"),
    ],
)
def test_losses_that_do_not_go_together_are_refused_before_a_model_is_loaded(
    config: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        check(short(**config) if "method" in config else short("dpo", **config))


def test_stics_weight_is_a_1024th_where_none_is_given() -> None:
    assert TrainConfig(method="dpo", loss=("sigmoid", "stic")).weights == (1.0, 1 / 1024)
    assert TrainConfig(method="dpo", loss=("sigmoid", "stic"), loss_weights=(1, 2)).weights == (1.0, 2.0)


@pytest.mark.parametrize("lora", [None, LoraConfig(rank=4)])
def test_all_terms_train_together_and_are_logged(
    lora: LoraConfig | None, picture_rows: PictureRows, seed_dir: Path, tmp_path: Path
) -> None:
    terms = {"conditional": 1.0, "anchor": 1.0, "noised": 0.5, "content": 1.0}
    rows = picture_rows(4, described=3, **{k: v for k, v in terms.items() if k != "content"})
    report = trained(short(pictures=terms, lora=lora), seed_dir, rows, tmp_path / "out")
    logged = {f"loss/{name}" for name in terms} | {"rewards/picture_margin"}
    assert logged <= set(report.log[-1].metrics)
    assert report.log[0].metrics["loss/conditional"] == pytest.approx(0.6931, abs=1e-3)


def looks(folder: Path, rows: Any) -> float:
    """Mean of log p(answer | picture) - log p(answer | bad picture), in nats."""
    model, processor = models.load(folder)
    processor.chat_template = processor.chat_template or processor.tokenizer.chat_template
    sums = []
    for pictures in ("images", "bad_images"):
        sides = [
            {"images": row[pictures], "prompt": row["prompt"], "completion": row["chosen"], "label": True}
            for row in rows
        ]
        batch = dict(DataCollatorForVisionUnpairedPreference(processor, calculate_kl=False)(sides))
        mask, _ = batch.pop("completion_mask")[:, 1:], batch.pop("label")
        with torch.no_grad():
            said = model(**batch).logits[:, :-1].log_softmax(-1).gather(2, batch["input_ids"][:, 1:, None])[..., 0]
        sums.append(float((said * mask).sum() / len(rows)))
    return sums[0] - sums[1]


def test_mdpo_learns_to_look_more_than_dpo_does(picture_rows: PictureRows, tmp_path: Path) -> None:
    terms = {"conditional": 1.0, "anchor": 1.0, "bad": "crop", "bad_params": {"area": 0.2}}
    rows = picture_rows(24, **terms)
    common = {"max_steps": 6, "learning_rate": 3e-4, "batch_size": 12, "loss": "sigmoid"}
    trained(short(**common), SEED_DIR, rows.remove_columns("bad_images"), tmp_path / "dpo")
    trained(short(**common, pictures=terms), SEED_DIR, rows, tmp_path / "mdpo")
    before, plain, with_terms = (looks(f, rows) for f in (SEED_DIR, tmp_path / "dpo", tmp_path / "mdpo"))
    assert with_terms > before + 0.5
    assert with_terms - before > 2 * (plain - before)


def test_bad_pictures_are_the_same_for_the_same_seed_and_are_none_of_the_good_ones(
    bank: ImageBank, groups: Sequence[Group], tmp_path: Path
) -> None:
    recipe = recipe_of("dpo", pictures={"conditional": 1, "bad": "crop"})
    rows = ROWS["dpo"](groups[:6], recipe)
    assert recipe.train.pictures is not None
    made = [
        joined(rows, bank, tmp_path / f"{n}.arrow", BadPictures(recipe.train.pictures, bank, seed))
        for n, seed in enumerate((1, 1, 2))
    ]
    first, again, other = ([[i.tobytes() for i in row["bad_images"]] for row in data] for data in made)
    assert first == again != other
    for row in made[0]:
        assert len(row["bad_images"]) == len(row["images"])
        assert [i.tobytes() for i in row["bad_images"]] != [i.tobytes() for i in row["images"]]


def test_a_corruption_that_spares_pictures_is_refused_with_numbers(tmp_path: Path) -> None:
    flat = png(size=(48, 48))
    name = ref_of(flat).sha256
    bank = tiny.bank(FolderStore(tmp_path), {name: flat})
    said = [{"role": "user", "content": "2"}]
    row = {"images": [name], "prompt": said, "chosen": said, "rejected": said, "bad_images": []}
    terms = recipe_of("dpo", pictures={"conditional": 1, "bad": "blur"}).train.pictures
    assert terms is not None
    with pytest.raises(
        TrainError, match=r"corruption blur leaves the pictures of 2 of 2 rows as they are \(first: row 0\)"
    ):
        joined([row, row], bank, tmp_path / "rows.arrow", BadPictures(terms, bank, 1))


def test_a_bad_picture_that_is_the_good_one_is_refused(
    picture_rows: PictureRows, seed_dir: Path, tmp_path: Path
) -> None:
    rows = picture_rows(4, conditional=1).remove_columns("bad_images")
    same = rows.add_column("bad_images", rows.with_format("arrow")[:].column("images").to_pylist())
    with pytest.raises(TrainError, match=r"4 of 4 rows have a bad picture that is their good one \(first: row 0\)"):
        trained(
            short(pictures={"conditional": 1}),
            seed_dir,
            same.cast_column("bad_images", rows.features["images"]),
            tmp_path,
        )


def test_kto_refuses_one_sided_rows_with_numbers(rows_of: Rows, seed_dir: Path, tmp_path: Path) -> None:
    rows = rows_of("kto", 4)
    wrong = rows.select([n for n, label in enumerate(rows["label"]) if not label])
    with pytest.raises(TrainError, match="4 answers have a verdict, 0 right and 4 wrong; kto needs both"):
        trained(short("kto"), seed_dir, wrong, tmp_path / "out")
    with pytest.raises(TrainError, match="lack the column label"):
        trained(short("kto"), seed_dir, rows.remove_columns("label"), tmp_path / "out")


def test_the_rarer_verdict_weighs_more() -> None:
    assert kto.weights_of(30, 10) == (1.0, 3.0)
    assert kto.weights_of(10, 30) == (3.0, 1.0)
    assert kto.weights_of(7, 7) == (1.0, 1.0)


def test_kto_takes_its_weights_from_the_rows_unless_they_are_given(
    rows_of: Rows, seed_dir: Path, tmp_path: Path
) -> None:
    rows = rows_of("kto", 6)
    right = [n for n, label in enumerate(rows["label"]) if label]
    few = rows.select([*[n for n in range(len(rows)) if n not in right], *right[:2]])
    for trl, expected in (({}, (3.0, 1.0)), ({"desirable_weight": 1.5}, (1.5, 1.0))):
        seen: list[Any] = []
        config = short("kto", trl=trl)
        settings = kto.arguments(config, tmp_path, 0)
        model, processor = models.load(seed_dir)
        common = {"args": settings, "train_dataset": few, "processing_class": processor, "peft_config": None}
        seen.append(kto._trainer(Job(config, seed_dir, few, tmp_path, 0), model, processor, common))
        assert (seen[0].desirable_weight, seen[0].undesirable_weight) == expected


def test_processes_that_share_a_model_refuse_terms_that_some_of_them_would_skip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("RATCHET_STRATEGY", "fsdp")):
        monkeypatch.setenv(name, value)
    with pytest.raises(RecipeError, match=r"train\.pictures asks the model again .* set launcher\.strategy to ddp"):
        dpo.arguments(short(pictures={"content": 1.0}), tmp_path, 0)


@pytest.mark.parametrize("name", ["llava", "gemma3"])
def test_kto_trains_other_architectures(name: str, rows_of: Rows, tmp_path: Path) -> None:
    seed = architectures.save(name, tmp_path / "seed")
    report = trained(short("kto"), seed, rows_of("kto", 4), tmp_path / "out")
    assert (report.visits, report.steps) == (8, 2)
    assert all((row.grad_norm or 0) > 0 for row in report.log)
