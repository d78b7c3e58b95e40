"""The environments keep Gymnasium's contract."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from ratchet.verify.environments import MazeState, ref_of
from ratchet.verify.environments.draw import DrawAgain
from ratchet.verify.environments.navigate import ACTIONS, Navigate
from ratchet.verify.environments.undo import Undo


@pytest.mark.parametrize("kind", [Navigate, DrawAgain, Undo])
def test_gymnasiums_own_checker_finds_nothing(kind: type[gymnasium.Env[Any, Any]]) -> None:
    with warnings.catch_warnings():
        # It would make further ones by name, and these have no name in Gymnasium's registry.
        warnings.filterwarnings("ignore", message=".*not having a spec")
        check_env(kind())


@pytest.mark.parametrize("kind", [Navigate, DrawAgain, Undo])
def test_the_same_seed_starts_the_same_and_another_one_another(kind: type[gymnasium.Env[Any, Any]]) -> None:
    first, again, other = (kind().reset(seed=seed)[0] for seed in (1, 1, 2))
    assert (first == again).all()
    assert not np.array_equal(first, other)


def test_rewards_of_a_walk_sum_to_the_progress_and_the_goal_ends_it() -> None:
    world = Navigate()
    state = MazeState(rows=("....",), start=(0, 0), goal=(0, 3), cell=12)
    world.reset(options={"state": ref_of(state).state})
    rewards = []
    for _ in range(3):
        seen, reward, terminated, truncated, _ = world.step(np.int64(ACTIONS.index("right")))
        rewards.append(reward)
    assert (sum(rewards), terminated, truncated) == (pytest.approx(1.0), True, False)
    assert seen.shape == (48, 48, 3)
    assert (seen[:12, 36:] == (60, 95, 225)).all()
