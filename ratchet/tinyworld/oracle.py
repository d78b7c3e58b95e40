"""The answer once more, from the question's text and the scenes alone; and the check of a model's answer.

Nothing is shared with `questions` but the scene, so that a slip there shows up as a disagreement.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from ratchet.errors import VerifierError
from ratchet.tinyworld.scene import Scene
from ratchet.tinyworld.world import Item

_PLACES = [f"{row} {column}" for row in ("top", "middle", "bottom") for column in ("left", "center", "right")]
_STEPS = {"left of": -1, "right of": 1}


def _number(scene: Scene, colour: str, shape: str) -> int:
    return sum(1 for cell in scene.cells if cell is not None and (cell.colour, cell.shape) == (colour, shape))


def _cell(scene: Scene, colour: str, shape: str) -> int:
    cells = enumerate(scene.cells)
    found = [i for i, cell in cells if cell is not None and (cell.colour, cell.shape) == (colour, shape)]
    if len(found) != 1:
        raise VerifierError(f"{len(found)} things are a {colour} {shape}, the question needs exactly one: fix the draw")
    return found[0]


def _digits(scene: Scene) -> list[str]:
    return [cell.shape for cell in scene.cells if cell is not None and cell.sample is not None]


def _count(scenes: tuple[Scene, ...], colour: str, shape: str) -> str:
    return str(_number(scenes[0], colour, shape))


def _exist(scenes: tuple[Scene, ...], colour: str, shape: str) -> str:
    return "yes" if _number(scenes[0], colour, shape) else "no"


def _read(scenes: tuple[Scene, ...]) -> str:
    return " ".join(_digits(scenes[0]))


def _add(scenes: tuple[Scene, ...]) -> str:
    return str(sum(map(int, _digits(scenes[0]))))


def _locate(scenes: tuple[Scene, ...], colour: str, shape: str) -> str:
    return _PLACES[_cell(scenes[0], colour, shape)]


def _compare(scenes: tuple[Scene, ...], first: str, second: str) -> str:
    tally = Counter(cell.shape for cell in scenes[0].cells if cell is not None)
    if tally[first] == tally[second]:
        return "same"
    return f"{first if tally[first] > tally[second] else second}s"


def _caption(scenes: tuple[Scene, ...]) -> str:
    return " , ".join(f"{cell.colour} {cell.shape}" for cell in scenes[0].cells if cell is not None)


def _relation(scenes: tuple[Scene, ...], direction: str, colour: str, shape: str) -> str:
    cell = _cell(scenes[0], colour, shape)
    there = cell + _STEPS[direction]
    found = scenes[0].cells[there] if there // 3 == cell // 3 else None
    return "nothing" if found is None else f"{found.colour} {found.shape}"


def _pair(scenes: tuple[Scene, ...], colour: str, shape: str) -> str:
    first, second = (_number(scene, colour, shape) for scene in scenes)
    return "same" if first == second else "first" if first > second else "second"


_RULES: tuple[tuple[str, Callable[..., str]], ...] = (
    (r"how many (\w+) (\w+?)s \?", _count),
    (r"is there a (\w+) (\w+) \?", _exist),
    (r"read the digits \.", _read),
    (r"what is the sum of the digits \?", _add),
    (r"where is the (\w+) (\w+) \?", _locate),
    (r"more (\w+?)s or (\w+?)s \?", _compare),
    (r"list the objects \.", _caption),
    (r"what is (left of|right of) the (\w+) (\w+) \?", _relation),
    (r"which picture has more (\w+) (\w+?)s \?", _pair),
)


def answer(question: str, scenes: tuple[Scene, ...]) -> str:
    """The answer to `question` about `scenes`."""
    for pattern, rule in _RULES:
        if match := re.fullmatch(pattern, question):
            return rule(scenes, *match.groups())
    raise VerifierError(f"the tiny world asks no question like {question!r}: use one of its {len(_RULES)} forms")


def oracle(item: Item) -> str:
    """The item's answer, computed again."""
    return answer(item.question, item.scenes)


def is_right(item: Item, text: str) -> bool:
    """Whether a model's answer is right: the same words; for captions the same objects in any order."""
    if item.skill == "caption":
        return Counter(part.strip() for part in text.split(",")) == Counter(item.answer.split(" , "))
    return text.split() == item.answer.split()
