"""What the environments start from: the state in a prompt's EnvironmentRef, as JSON, and back."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError, model_validator

from ratchet.errors import VerifierError
from ratchet.records import EnvironmentRef, Prompt, Record

WALL, FREE = "#", "."
LARGEST_GRID = 64
LONGEST = 65_536
"""Characters of a state, at most."""

Place = tuple[int, int]
"""Row and column, from the top left."""


class MazeState(Record):
    """Rows of cells, `#` a wall and `.` free, and two different free cells that a way joins; `cell` is in pixels."""

    rows: Annotated[tuple[str, ...], Field(min_length=1, max_length=LARGEST_GRID)]
    start: Place
    goal: Place
    cell: int = Field(16, ge=3, le=64)

    @model_validator(mode="after")
    def _walkable(self) -> MazeState:
        width = len(self.rows[0])
        if not 0 < width <= LARGEST_GRID or any(len(row) != width or set(row) - {WALL, FREE} for row in self.rows):
            raise ValueError(f"rows must be of one length, at most {LARGEST_GRID}, and of {WALL} and {FREE} alone")
        for name in ("start", "goal"):
            if not self.is_free(getattr(self, name)):
                raise ValueError(f"{name} {getattr(self, name)} is no free cell")
        if self.start == self.goal:
            raise ValueError("start and goal are the same cell")
        return self

    def is_free(self, place: Place) -> bool:
        row, column = place
        return 0 <= row < len(self.rows) and 0 <= column < len(self.rows[0]) and self.rows[row][column] == FREE


class DrawState(Record):
    """The language that the answer draws in. What is to be drawn is the prompt's first picture itself."""

    language: Literal["words", "svg", "python"] = "words"


class TransformState(Record):
    """What kind of transform it was. With two pictures, the first was made into the second, and both say all.

    With one picture, which is what was made, `done` is what was done to the picture that is not shown.
    """

    kind: Literal["rotate", "flip", "channels", "crop", "tiles"]
    done: str | None = None


STATES: dict[str, type[Record]] = {"navigate": MazeState, "draw": DrawState, "transforms": TransformState}
S = TypeVar("S", bound=Record)


def ref_of(state: Record) -> EnvironmentRef:
    """The state as a prompt carries it."""
    name = next(name for name, kind in STATES.items() if isinstance(state, kind))
    return EnvironmentRef(name=name, state=state.model_dump_json())


def read(ref: EnvironmentRef) -> Record:
    """The state of a reference. Raises VerifierError naming what is wrong with it."""
    kind = STATES.get(ref.name)
    if kind is None:
        raise VerifierError(f"no environment {ref.name!r}; there are: {', '.join(STATES)}.")
    if len(ref.state) > LONGEST:
        raise VerifierError(f"the state of environment {ref.name} has {len(ref.state)} characters; at most {LONGEST}.")
    try:
        return kind.model_validate_json(ref.state)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise VerifierError(
            f"the state of environment {ref.name} is not valid: {where}: {first['msg'].removeprefix('Value error, ')}."
        ) from error


def state_of(prompt: Prompt, kind: type[S]) -> S:
    """The state that a prompt starts from. Raises VerifierError where it has none, or another environment's."""
    name = next(name for name, one in STATES.items() if one is kind)
    if prompt.environment is None:
        raise VerifierError(
            f"verifier {name} needs a prompt with an environment; import rows with an `environment` column."
        )
    state = read(prompt.environment)
    if not isinstance(state, kind):
        raise VerifierError(f"the prompt's environment is {prompt.environment.name}; verifier {name} does not fit it.")
    return state
