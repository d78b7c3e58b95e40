"""The shipped recipe `grpo` through the real stages, on few prompts, with the real seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ratchet import loop, recipe
from ratchet.begin import BeginOptions, begin
from ratchet.promptset import find
from ratchet.registry.store_registry import StoreRegistry
from ratchet.rounds import read_round
from ratchet.stage import context_of
from ratchet.tinyworld.seed import SEED_DIR
from tests.e2e.test_judges_rounds import JOB, LOOP, Small, cache
from tests.micro import settings_in

__all__ = ["cache"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class Micro(Small):
    """The recipe with a step of a few completions, and a train part that a test may change."""

    def __init__(self, folder: Path, **train: Any) -> None:
        given = recipe.load("grpo").model_dump(mode="json", exclude_unset=True)
        given["prompts"] |= {"pool": 90, "validation": 9, "holdout": 45, "report": 18}
        given["generate"] |= {"rows_per_file": 30}
        given["train"] |= {"max_steps": 4, "batch_size": 32, **train}
        given["evaluate"] = {"pass_at_k": None}
        given["promote"] = {"min_items": 9}
        self.folder, self.settings = folder, settings_in(folder)
        loop.init_loop(self.settings, LOOP, str(SEED_DIR))
        begin(JOB, BeginOptions(loop=LOOP, recipe=yaml.safe_dump(given)), self.settings)


def test_a_round_of_grpo_from_its_own_verdicts_to_a_registered_model_with_its_curves(tmp_path: Path) -> None:
    small = Micro(tmp_path, rl={"k": 8, "kl": {"coefficient": 0.01}, "sft_weight": 0.1})
    made = {stage: small.run(stage) for stage in ("generate", "verify", "filter", "train", "evaluate", "promote")}
    groups = small.groups(made["filter"])
    for_rl = [group for group in groups if "rl" in group.uses]
    # What the seed always answers right, or never, is not there.
    assert 0 < len(for_rl) < 90
    for group in for_rl:
        assert len({verdict.passed for one in group.completions for verdict in one.verdicts}) == 2
    report = made["train"].results["report"]
    assert (report["method"], report["rows"], report["steps"]) == ("grpo", len(for_rl), 4)
    assert report["visits"] == 4 * 32 // 8
    model = made["promote"].results["model"]
    curves = StoreRegistry(small.store).curves(model["name"], model["version"])
    assert [step for step, _ in curves["train/reward"]] == [1, 2, 3, 4]
    wanted = {"loss", "learning_rate", "grad_norm", "kl", "entropy", "sft_loss", "groups/zero_variance"}
    wanted |= {"completions/mean_length", "completions/clipped_ratio", "clip_ratio/region_mean"}
    assert {f"train/{name}" for name in wanted} <= set(curves)
    verifiers = {name.rsplit("/")[-1] for name in curves if name.startswith("train/verifier/")}
    assert verifiers <= {"numeric", "yes_no", "exact", "choice", "objects"}
    assert len(verifiers) > 2


def test_other_verifiers_make_another_training(tmp_path: Path) -> None:
    small = Micro(tmp_path)
    for stage in ("generate", "verify", "filter"):
        small.run(stage)
    opened = read_round(small.store, LOOP, 1)
    assert find(small.store, opened.prompts) is not None
    verify = opened.recipe.verify.model_copy(update={"timeout_seconds": 3.0})
    other = opened.model_copy(update={"recipe": opened.recipe.model_copy(update={"verify": verify})})
    from ratchet import rounds

    done = rounds.manifests(small.store, LOOP, 1)
    keys = [context_of("train", small.store, one, done, settings=small.settings).key for one in (opened, other)]
    assert keys[0] != keys[1]
