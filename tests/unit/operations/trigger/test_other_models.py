"""Models of other people in the same registry, and what else lies below loops/."""

from __future__ import annotations

from pathlib import Path

from ratchet import rounds
from ratchet.operations.trigger.decide import Idle
from tests.triggered import LOOP, Ground


def test_a_model_that_is_no_loop_is_left_alone(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    ground.registry.register("fraud-model", "s3://x/y", "")
    ground.registry.set_champion("fraud-model", "1", expected=None)
    said = ground.driver.look("fraud-model")
    assert isinstance(said, Idle)
    assert "no loop" in said.why
    assert rounds.loops(ground.store) == [LOOP]
    assert "fraud-model" not in ground.metrics.page().decode()


def test_what_has_no_loops_name_is_no_loop(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    for key in ("loops/.DS_Store", "loops/README", "loops/Mine/policy.json"):
        ground.store.put(key, b"x")
    assert rounds.loops(ground.store) == [LOOP]
