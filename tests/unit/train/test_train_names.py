"""Names that a recipe is checked by are those of TRL and transformers."""

from __future__ import annotations

import re
from pathlib import Path

import trl
from transformers.trainer_utils import SchedulerType

from ratchet.recipe.training.names import GRPO_LOSSES, SCHEDULES, STEERED
from ratchet.recipe.training.preference import KTO_LOSSES, TRL_LOSSES

TRAINERS = Path(trl.__file__).parent / "trainer"


def compared(trainer: str) -> set[str]:
    """The loss types that a trainer of TRL asks for by name."""
    text = (TRAINERS / f"{trainer}_trainer.py").read_text()
    listed = re.findall(r"loss_type in \[([^\]]*)\]", text)
    alone = re.findall(r"loss_type == (\"[a-z_]+\")", text)
    return set(re.findall(r"\"([a-z_]+)\"", " ".join([*listed, *alone])))


def test_schedules_are_those_of_transformers() -> None:
    assert sorted([*SCHEDULES, *STEERED]) == sorted(one.value for one in SchedulerType)


def test_losses_are_those_that_trl_asks_for_by_name() -> None:
    assert compared("dpo") == set(TRL_LOSSES)
    assert compared("kto") == set(KTO_LOSSES)
    assert compared("grpo") == set(GRPO_LOSSES)
