"""What a process knows of the others that train with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from ratchet.errors import RecipeError, TrainError
from ratchet.train.sharding import check_sharded, copied, shared_as
from ratchet.train.together import World, world
from ratchet.train.token_mean import TokenMean, chosen_tokens, share


def test_the_place_comes_from_what_torchrun_sets() -> None:
    assert world({}) == World()
    given = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "RATCHET_STRATEGY": "fsdp"}
    assert world(given) == World(5, 8, 1, "fsdp")
    assert (world(given).first, world({}).first) == (False, True)


def test_a_batch_is_shared_evenly_or_refused() -> None:
    assert World(0, 4).share(32) == 8
    assert World().share(7) == 7
    with pytest.raises(
        RecipeError, match=r"batch_size 10 cannot be shared evenly by 4 processes; make it a multiple of 4"
    ):
        World(0, 4).share(10)


def test_shards_are_asked_for_where_several_share_a_model_alone() -> None:
    assert World(0, 2, 0, "ddp").settings() == World(0, 1, 0, "fsdp").settings() == {}
    assert World(0, 2, 0, "fsdp").settings()["fsdp_config"]["version"] == 2


def test_the_rows_of_an_epoch_are_those_that_are_really_seen() -> None:
    assert World().visited(13, 8) == 13
    assert World(0, 2).visited(13, 8) == 16
    assert World(0, 2).visited(16, 8) == 16


class Accelerator:
    """Of process 0 of two; the other has 2 tokens."""

    device = SimpleNamespace(type="cpu")
    distributed_type = "MULTI_CPU"

    def gather(self, value: Any) -> Any:
        import torch

        return torch.cat([value, torch.tensor([2])])


def test_a_supervised_term_weighs_every_token_alike_whichever_process_sees_it() -> None:
    import torch

    # Chosen answers of 3 + 3 tokens, of which the very first is never predicted; rejected ones do not count.
    mask = torch.tensor([[1, 1, 1, 1], [0, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]])
    assert int(chosen_tokens({"completion_mask": mask})) == 6
    # 6 of 8 tokens are here: a mean over two processes must count them 6 * 2 / 8 times.
    assert share(torch.tensor(6), Accelerator()) == 1.5
    # Hand-computed: losses 1 (6 times) and 5 (twice), so (6 * 1 + 2 * 5) / 8 = 2 = (1.5 * 1 + .5 * 5) / 2.
    assert (1.5 * 1 + 0.5 * 5) / 2 == (6 * 1 + 2 * 5) / 8

    class Usual:
        loss_types = ("sigmoid", "sft")
        loss_weights = [0.8, 2.0]
        accelerator = Accelerator()

        def compute_loss(self, _model: Any, _inputs: Any) -> list[float]:
            return list(self.loss_weights)

    class Scaled(TokenMean, Usual):  # type: ignore[misc]
        pass

    trainer = Scaled()
    assert trainer.compute_loss(None, {"completion_mask": mask}) == [0.8, 3.0]
    assert trainer.loss_weights == [0.8, 2.0]


def test_shards_that_would_not_be_made_are_an_error_and_not_whole_copies() -> None:
    class Trainer:
        is_fsdp_enabled = False
        accelerator = Accelerator()

    check_sharded(Trainer(), World(0, 2, 0, "ddp"))
    with pytest.raises(TrainError, match="accelerate does not shard on cpu"):
        check_sharded(Trainer(), World(0, 2, 0, "fsdp"))


def test_what_is_not_shared_is_copied_as_it_is() -> None:
    import torch

    value = torch.ones(3, requires_grad=True)
    copy = copied(value)
    assert torch.equal(copy, torch.ones(3))
    assert copy.data_ptr() != value.data_ptr()
    assert shared_as(copy, value) is copy


def test_a_process_whose_parent_has_ended_before_it_could_ask_ends_at_once() -> None:
    code = "from ratchet.train import together; together.die_with_parent(); print('lives')"
    asked = {**os.environ, "RATCHET_PARENT": str(os.getpid())}
    lives = subprocess.run([sys.executable, "-c", code], env=asked, capture_output=True, text=True, check=True)
    assert lives.stdout.strip() == "lives"
    other = {**asked, "RATCHET_PARENT": "1"}
    ended = subprocess.run([sys.executable, "-c", code], env=other, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (128 + signal.SIGKILL, "")
