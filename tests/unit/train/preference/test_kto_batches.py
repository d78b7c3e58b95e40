"""KTO's divergence is read off answers beside another row's prompt, in every batch and in each process's part of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ratchet.errors import RecipeError, TrainError
from ratchet.recipe import TrainConfig
from ratchet.train import METHODS, Job, kto
from ratchet.train.together import World
from tests.unit.train.builders import Rows

BATCHES = TrainConfig(method="kto", epochs=1, batch_size=3, learning_rate=1e-3)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What TRL's trainer is given, batch by batch."""
    seen: list[dict[str, Any]] = []

    class Seen(kto.KTOTrainer):  # type: ignore[misc]
        def training_step(self, model: Any, inputs: Any, *given: Any) -> Any:
            seen.append(dict(inputs))
            return super().training_step(model, inputs, *given)

    monkeypatch.setattr(kto, "KTOTrainer", Seen)
    return seen


def read(batch: dict[str, Any], row: int, kind: str = "") -> list[int]:
    """Tokens of the answer that the row has, or with kind KL_ of the one that the divergence is read off."""
    answered = batch[f"{kind}completion_mask"][row].bool()
    return [int(token) for token in batch[f"{kind}input_ids"][row][answered]]


def test_a_row_alone_in_the_last_batch_is_read_beside_another_rows_answer(
    batches: list[dict[str, Any]], rows_of: Rows, seed_dir: Path, tmp_path: Path
) -> None:
    rows = rows_of("kto", 2)
    METHODS["kto"](Job(BATCHES, seed_dir, rows, tmp_path / "out", 3))
    assert [len(batch["label"]) for batch in batches] == [3, 1]
    full, last = batches
    assert [read(full, row, "KL_") for row in range(3)] == [read(full, row - 1) for row in range(3)]
    assert read(last, 0, "KL_") != read(last, 0)
    assert read(last, 0, "KL_") in [read(full, row) for row in range(3)]
    asked = [last[f"{kind}attention_mask"] - last[f"{kind}completion_mask"] for kind in ("", "KL_")]
    prompts = [last[f"{kind}input_ids"][mask.bool()] for kind, mask in zip(("", "KL_"), asked, strict=True)]
    assert torch.equal(*prompts)


def test_rows_of_one_answer_leave_a_row_alone_nothing_and_say_so(rows_of: Rows) -> None:
    rows = rows_of("kto", 2).select([0, 0])
    with pytest.raises(TrainError, match=r"all 2 rows have the same answer, .* set train\.loss apo_zero_unpaired"):
        kto.Mismatched(dict, rows)._other(rows[0])


def test_a_process_with_one_row_of_a_batch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kto, "world", lambda: World(0, 2))
    two = BATCHES.model_copy(update={"batch_size": 2})
    with pytest.raises(RecipeError, match=r"batch_size 2 leaves nothing .* one of 2; set 4 or more"):
        kto.arguments(two, tmp_path, 0)
    kto.arguments(two.model_copy(update={"loss": ("apo_zero_unpaired",)}), tmp_path, 0)
