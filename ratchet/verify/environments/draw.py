"""Draw it again, as a Gymnasium environment of one step: the action is a program, the reward its likeness."""

from __future__ import annotations

import random
import string
from typing import Any

import gymnasium
import numpy as np

from ratchet.records import EnvironmentRef
from ratchet.verify.environments.likeness import Pixels, likeness
from ratchet.verify.environments.programs import LONGEST, WORDS, programs, run
from ratchet.verify.environments.states import DrawState, read
from ratchet.verify.sandbox import Sandbox

Info = dict[str, Any]


class DrawAgain(gymnasium.Env[Pixels, str]):
    """See a picture, give a program that draws it. Info's `reason` is the sandbox's where there is no drawing.

    `reset(options={"state": JSON, "picture": pixels})` starts from a picture; without one, a picture of the tiny world is
    drawn from the seed. The observation after the step is the drawing.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 1}

    def __init__(
        self, size: tuple[int, int] = (48, 48), sandbox: Sandbox | None = None, render_mode: str | None = "rgb_array"
    ) -> None:
        self.render_mode = render_mode
        self.observation_space = gymnasium.spaces.Box(0, 255, (*size, 3), np.uint8)
        self.action_space = gymnasium.spaces.Text(LONGEST, min_length=0, charset=string.printable)
        self.sandbox = sandbox or Sandbox()
        self.language = WORDS
        self.picture = self.drawing = np.zeros((*size, 3), np.uint8)

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Pixels, Info]:
        super().reset(seed=seed)
        given = options or {}
        state = read(EnvironmentRef(name="draw", state=given.get("state", "{}")))
        assert isinstance(state, DrawState)
        self.language = state.language
        self.picture = given["picture"] if "picture" in given else self._drawn()
        self.drawing = np.zeros_like(self.picture)
        return self.picture, {"language": self.language}

    def step(self, action: str) -> tuple[Pixels, float, bool, bool, Info]:
        program = next(programs(self.language, action), None)
        if program is None:
            return self.drawing, 0.0, True, False, {"reason": "unparsed", "detail": None, "unscored": False}
        drawn = run(self.language, program, self.picture, self.sandbox)
        if drawn.pixels is None:
            return self.drawing, 0.0, True, False, {**drawn._asdict(), "pixels": None}
        self.drawing = drawn.pixels
        truth = self._truth()
        return (
            self.drawing,
            likeness(self.drawing, truth),
            True,
            False,
            {"reason": "ok", "detail": None, "unscored": False},
        )

    def render(self) -> Pixels:
        return self.drawing

    def _truth(self) -> Pixels:
        from ratchet.tinyworld import sketch

        return sketch.fitted(self.picture) if self.language == WORDS else self.picture

    def _drawn(self) -> Pixels:
        from ratchet.tinyworld.draw import pixels
        from ratchet.tinyworld.scene import scatter, shapes

        rng = random.Random(int(self.np_random.integers(1 << 62)))
        return pixels(scatter(rng, shapes(rng, rng.randint(1, 4))))
