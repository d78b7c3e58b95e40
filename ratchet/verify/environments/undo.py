"""Transforms as a Gymnasium environment of one step: the action names what was done, and the pixels say whether it was."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from ratchet.errors import VerifierError
from ratchet.records import EnvironmentRef
from ratchet.verify.environments.states import TransformState, read
from ratchet.verify.environments.transforms import ANSWERS, SINGLE, Pixels, applied, readings, same, undone

Info = dict[str, Any]


class Undo(gymnasium.Env[Pixels, str]):
    """Say how one picture was made from another. Reward 1 where doing the same to it gives the same pixels, else 0.

    A picture with a symmetry has several right answers, and all of them are taken. `reset(options={"state": JSON, "pictures":
    [pixels, ...]})`: both pictures, or the one that was made; without them, noise is transformed, drawn from the seed.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 1}

    def __init__(self, side: int = 24, render_mode: str | None = "rgb_array") -> None:
        self.render_mode = render_mode
        self.observation_space = gymnasium.spaces.Box(0, 255, (side, side, 3), np.uint8)
        self.action_space = gymnasium.spaces.Text(40, min_length=0, charset="abcdefghijklmnopqrstuvwxyz 0123456789")
        self.state = TransformState(kind="rotate", done="90")
        self.source = self.made = np.zeros((side, side, 3), np.uint8)

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Pixels, Info]:
        super().reset(seed=seed)
        if options and "state" in options:
            state = read(EnvironmentRef(name="transforms", state=options["state"]))
            assert isinstance(state, TransformState)
            self.state = state
            self.source, self.made = both(state, options["pictures"])
        else:
            shape = self.observation_space.shape
            kind = SINGLE[int(self.np_random.integers(len(SINGLE)))]
            done = ANSWERS[kind][int(self.np_random.integers(len(ANSWERS[kind])))]
            self.state = TransformState.model_validate({"kind": kind, "done": done})
            self.source = self.np_random.integers(0, 256, shape, np.uint8)
            self.made = np.ascontiguousarray(applied(kind, done, self.source))
        return self.made.copy(), {"kind": self.state.kind}

    def step(self, action: str) -> tuple[Pixels, float, bool, bool, Info]:
        answer = next(readings(self.state.kind, action), None)
        if answer is None:
            return self.made.copy(), 0.0, True, False, {"reason": "unparsed"}
        right = same(applied(self.state.kind, answer, self.source), self.made)
        return self.made.copy(), float(right), True, False, {"reason": "match" if right else "wrong"}

    def render(self) -> Pixels:
        return self.made.copy()


def both(state: TransformState, pictures: list[Pixels]) -> tuple[Pixels, Pixels]:
    """What was transformed and what came of it. Raises VerifierError where the pictures do not say."""
    check_shown(state, len(pictures))
    if state.done is None:
        return pictures[0], pictures[1]
    return undone(state.kind, state.done, pictures[0]), pictures[0]


def check_shown(state: TransformState, pictures: int) -> None:
    """Raises VerifierError unless the transform can be told from so many pictures."""
    if pictures == (2 if state.done is None else 1) and (
        state.done is None or (state.kind in SINGLE and state.done in ANSWERS[state.kind])
    ):
        return
    raise VerifierError(
        f"transform {state.kind} with {pictures} pictures and done {state.done!r}: give two pictures and no `done`, or the "
        f"picture that was made and its `done` ({', '.join(SINGLE)})."
    )
