"""The grid as a Gymnasium environment: a step moves one cell, into a wall ends it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from ratchet.errors import VerifierError
from ratchet.records import EnvironmentRef
from ratchet.verify.environments import maze
from ratchet.verify.environments.states import MazeState, Place, read

Seen = npt.NDArray[np.uint8]
ACTIONS = tuple(maze.MOVES)


class Navigate(gymnasium.Env[Seen, np.int64]):
    """Reach the goal. Reward is the progress that a step makes, as a share of the shortest way; all of it is 1.

    `reset(options={"state": JSON})` starts from a state; without one, a maze is drawn from the seed. Terminated at the goal or
    at a wall; truncated after four times as many steps as there are free cells.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}

    def __init__(self, size: int = maze.SIDE, render_mode: str | None = "rgb_array") -> None:
        self.render_mode = render_mode
        self.observation_space = gymnasium.spaces.Box(0, 255, (size, size, 3), np.uint8)
        self.action_space = gymnasium.spaces.Discrete(len(ACTIONS))
        self.state: MazeState | None = None
        self.here: Place = (0, 0)
        self.steps = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Seen, dict[str, Any]]:
        super().reset(seed=seed)
        given = (options or {}).get("state")
        if given is None:
            self.state = maze.draw(random.Random(int(self.np_random.integers(1 << 62)))).state
        else:
            state = read(EnvironmentRef(name="navigate", state=given))
            assert isinstance(state, MazeState)
            self.state = state
        self._away = maze.distances(self.state)
        if self.state.start not in self._away:
            raise VerifierError("no way leads from start to goal in this maze; mend the state.")
        self.here, self.steps = self.state.start, 0
        return self.render(), self._told("start")

    def step(self, action: np.int64) -> tuple[Seen, float, bool, bool, dict[str, Any]]:
        assert self.state is not None, "reset comes first"
        before, self.steps = self.progress, self.steps + 1
        there = maze.moved(self.here, ACTIONS[int(action)])
        wall = not self.state.is_free(there)
        if not wall:
            self.here = there
        reached = self.here == self.state.goal
        told = self._told("goal" if reached else "wall" if wall else "short")
        return self.render(), self.progress - before, reached or wall, self.steps >= self.most, told

    def render(self) -> Seen:
        assert self.state is not None, "reset comes first"
        return _fitted(maze.picture(self.state, self.here), self.observation_space.shape or ())

    @property
    def most(self) -> int:
        """Steps, at most."""
        return 4 * len(self._away)

    @property
    def shortest(self) -> int:
        assert self.state is not None
        return self._away[self.state.start]

    @property
    def progress(self) -> float:
        """0 at the start or farther away, 1 at the goal."""
        return max(0.0, 1 - self._away[self.here] / self.shortest)

    def _told(self, reason: str) -> dict[str, Any]:
        return {"reason": reason, "steps": self.steps, "progress": self.progress}


def _fitted(picture: Seen, shape: Sequence[int]) -> Seen:
    """The picture in the observation's shape: cut, or with a black edge."""
    fitted = np.zeros(tuple(shape), np.uint8)
    height, width = min(shape[0], picture.shape[0]), min(shape[1], picture.shape[1])
    fitted[:height, :width] = picture[:height, :width]
    return fitted
