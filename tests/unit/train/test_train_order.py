"""The order of a curriculum reaches the loss: which rows real trainings saw, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from accelerate.data_loader import BatchSamplerShard, SkipBatchSampler
from torch.utils.data import BatchSampler
from transformers import Trainer
from trl import KTOTrainer
from trl.trainer.utils import RepeatSampler

from ratchet import models
from ratchet.artifacts import ImageBank
from ratchet.recipe import TrainConfig
from ratchet.recipe.training.curriculum import CurriculumConfig
from ratchet.train import METHODS, Job, TrainReport
from ratchet.train.curriculum import Facts, RowOrder
from ratchet.train.hooks import attach
from ratchet.train.rows import joined
from ratchet.train.sampler import OrderSampler, RepeatedOrderSampler, described, ordered
from ratchet.train.sft import arguments
from tests import tiny
from tests.unit.train.builders import SKILLS

ROWS = 14
FACTS = tuple(Facts(f"p{i}", "add" if i < 11 else "count", (i * 5 % ROWS) / ROWS, 1) for i in range(ROWS))
ORDERS = {
    "easy": CurriculumConfig(order="easy_first", bands=3),
    "hard": CurriculumConfig(order="hard_first", bands=3),
    "balanced": CurriculumConfig(balance="skill", balance_power=1.0),
    "shuffled": CurriculumConfig(),
}


def answer(row: int) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": str(row)}]


@pytest.fixture
def rows(bank: ImageBank, tmp_path: Path) -> Any:
    """Row i has the answer i, so that a step's labels say which rows it saw."""
    prompts, _ = tiny.world("pool", 60, SKILLS)
    made = [
        {
            "images": [ref.sha256 for ref in prompts[i].images],
            "prompt": [{"role": "user", "content": "how many circles ?"}],
            "completion": answer(i),
        }
        for i in range(ROWS)
    ]
    return joined(made, bank, tmp_path / "rows.arrow")


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch, seed_dir: Path) -> list[list[int]]:
    """Rows of every step of every training that follows, by their answers."""
    vocabulary = models.load(seed_dir)[1].tokenizer.get_vocab()
    row_of = {vocabulary[str(i)]: i for i in range(ROWS)}
    steps: list[list[int]] = []
    own = Trainer.training_step

    def step(self: Any, model: Any, inputs: dict[str, Any], *rest: Any) -> Any:
        ids = inputs["labels"] if "labels" in inputs else inputs["input_ids"]
        steps.append([row_of[one] for line in ids.tolist() for one in line if one in row_of])
        return own(self, model, inputs, *rest)

    monkeypatch.setattr(Trainer, "training_step", step)
    return steps


@pytest.fixture
def kl_seen(monkeypatch: pytest.MonkeyPatch, seed_dir: Path) -> list[list[int]]:
    """Rows whose answers KTO reads beside other prompts, step by step."""
    vocabulary = models.load(seed_dir)[1].tokenizer.get_vocab()
    row_of = {vocabulary[str(i)]: i for i in range(ROWS)}
    steps: list[list[int]] = []
    own = KTOTrainer.compute_loss

    def loss(self: Any, model: Any, inputs: dict[str, Any], *rest: Any, **named: Any) -> Any:
        steps.append([row_of[one] for line in inputs["KL_input_ids"].tolist() for one in line if one in row_of])
        return own(self, model, inputs, *rest, **named)

    monkeypatch.setattr(KTOTrainer, "compute_loss", loss)
    return steps


def batches(rows: Sequence[int], size: int) -> list[list[int]]:
    return [list(rows[i : i + size]) for i in range(0, len(rows), size)]


@pytest.mark.parametrize("name", ORDERS)
def test_every_step_sees_the_rows_of_the_order(
    name: str, rows: Any, seen: list[list[int]], seed_dir: Path, tmp_path: Path
) -> None:
    order = RowOrder(FACTS, 5, ORDERS[name])
    config = TrainConfig(epochs=2, batch_size=4, curriculum=ORDERS[name])
    report = METHODS["sft"](Job(config, seed_dir, rows, tmp_path / "out", 5, order=order))
    assert seen == [*batches(order.epoch(0), 4), *batches(order.epoch(1), 4)]
    assert (report.steps, report.visits) == (8, 2 * ROWS)
    assert report.intake is not None
    assert sum(one.visits for one in report.intake.skills.values()) == 2 * ROWS
    for skill, found in report.intake.skills.items():
        assert found.visits == sum(FACTS[row].skill == skill for step in seen for row in step)


def test_pairs_come_in_the_same_order(rows: Any, seen: list[list[int]], seed_dir: Path, tmp_path: Path) -> None:
    order = RowOrder(FACTS, 5, ORDERS["easy"])
    rejected = [[{"role": "assistant", "content": "yes"}]] * ROWS
    pairs = rows.rename_column("completion", "chosen").add_column("rejected", rejected, feature=rows.features["prompt"])
    config = TrainConfig(method="dpo", epochs=1, batch_size=7, curriculum=ORDERS["easy"])
    METHODS["dpo"](Job(config, seed_dir, pairs, tmp_path / "out", 5, order=order))
    assert seen == batches(order.epoch(0), 7)


def test_verdicts_come_in_the_same_order_each_beside_the_answer_of_the_row_before(
    rows: Any, seen: list[list[int]], kl_seen: list[list[int]], seed_dir: Path, tmp_path: Path
) -> None:
    """KTO reads each prompt beside another row's answer: TRL turns the answers of a batch by one place."""
    order = RowOrder(FACTS, 5, ORDERS["easy"])
    verdicts = rows.add_column("label", [i % 2 == 0 for i in range(ROWS)])
    config = TrainConfig(method="kto", epochs=2, batch_size=7, curriculum=ORDERS["easy"])
    report = METHODS["kto"](Job(config, seed_dir, verdicts, tmp_path / "out", 5, order=order))
    assert seen == [*batches(order.epoch(0), 7), *batches(order.epoch(1), 7)]
    assert kl_seen == [[*step[-1:], *step[:-1]] for step in seen]
    assert (report.steps, report.visits) == (4, 2 * ROWS)


def test_an_epoch_that_drops_its_last_batch_leaves_out_any_rows(
    rows: Any, seen: list[list[int]], seed_dir: Path, tmp_path: Path
) -> None:
    order = RowOrder(FACTS, 5, ORDERS["easy"])
    config = TrainConfig(epochs=1, batch_size=4, curriculum=ORDERS["easy"], trl={"dataloader_drop_last": True})
    report = METHODS["sft"](Job(config, seed_dir, rows, tmp_path / "out", 5, order=order))
    assert seen == batches(order.epoch(0, 4), 4)
    assert report.visits == 12
    assert report.intake is not None
    assert sum(one.visits for one in report.intake.bands.values()) == 12


def test_a_training_that_goes_on_in_the_middle_of_an_epoch_sees_the_rest_of_it(
    rows: Any, seen: list[list[int]], seed_dir: Path, tmp_path: Path
) -> None:
    from trl import SFTTrainer

    order = RowOrder(FACTS, 5, ORDERS["easy"])

    def trainer(steps: int) -> Any:
        settings = arguments(TrainConfig(max_steps=steps, batch_size=4), tmp_path / "checkpoints", 5)
        settings.save_strategy, settings.save_steps = "steps", 6
        model, processor = models.load(seed_dir)
        made = SFTTrainer(model=model, args=settings, train_dataset=rows, processing_class=processor)
        attach(made, ordered(order))
        return made

    trainer(6).train()
    whole = [*batches(order.epoch(0), 4), *batches(order.epoch(1), 4), *batches(order.epoch(2), 4)]
    assert seen == whole[:6]
    trainer(11).train(resume_from_checkpoint=str(tmp_path / "checkpoints" / "checkpoint-6"))
    assert seen == whole[:11]


@pytest.mark.parametrize("skipped", [0, 1])
def test_each_of_two_processes_takes_its_batches_of_the_epoch(skipped: int) -> None:
    order = RowOrder(FACTS, 5, ORDERS["easy"])
    whole = batches(order.epoch(3), 2)

    def taken(rank: int) -> Iterator[list[int]]:
        shard = BatchSamplerShard(BatchSampler(OrderSampler(order, lambda: 3), 2, False), 2, rank)
        return iter(SkipBatchSampler(shard, skipped))

    # Seven batches: the first process has the odd one, the second begins again at the front.
    assert list(taken(0)) == [whole[i] for i in (0, 2, 4, 6)][skipped:]
    assert list(taken(1)) == [whole[i] for i in (1, 3, 5, 0)][skipped:]


def test_prompts_of_online_methods_are_repeated_as_trl_repeats_them() -> None:
    order = RowOrder(FACTS, 5, ORDERS["hard"])
    ours = RepeatedOrderSampler(order, lambda: 0, multiple=4, copies=3, passes=2)
    theirs = RepeatSampler(order.epoch(0, 4), mini_repeat_count=3, batch_size=4, repeat_count=2, shuffle=False)
    assert list(ours) == [order.epoch(0, 4)[place] for place in theirs]
    assert len(ours) == len(theirs) == len(list(ours))


def test_the_prompts_that_online_methods_drew_are_counted_by_their_passes() -> None:
    """Two backward calls a step, two passes over each four prompts: every step draws four."""
    order = RowOrder(FACTS, 5, ORDERS["hard"])
    sampler = RepeatedOrderSampler(order, lambda: 0, multiple=4, copies=2, passes=2)
    trainer = SimpleNamespace(_get_train_sampler=lambda: sampler, args=SimpleNamespace(gradient_accumulation_steps=2))
    report = TrainReport(
        method="grpo",
        rows=ROWS,
        visits=48,
        steps=6,
        epochs=2.0,
        tokens=1,
        loss_first=0.0,
        loss_last=0.0,
        parameters=1,
        trainable_parameters=1,
        log=(),
        seconds=1.0,
        loop_seconds=1.0,
    )
    intake = described(report, trainer, order).intake
    assert intake is not None
    assert sum(one.visits for one in intake.skills.values()) == 24
