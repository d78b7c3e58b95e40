"""Questions with an environment, as a folder of pictures and JSON lines that `ratchet import` takes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
from PIL import Image, ImageOps

from ratchet import canonical
from ratchet.artifacts.images import MEDIA_TYPES, decode
from ratchet.errors import PromptSetError
from ratchet.importing.listing import is_picture
from ratchet.records import Record
from ratchet.verify.environments import maze
from ratchet.verify.environments.likeness import Pixels
from ratchet.verify.environments.states import STATES, DrawState, TransformState
from ratchet.verify.environments.transforms import ANSWERS, SINGLE, applied, fitting, same

ABOUT = {
    "navigate": "moves on a grid that is drawn as a picture; any way to the goal is right",
    "draw": "a program that draws the picture again (words, svg, python); it is run and the drawings are compared",
    "transforms": "what was done to a picture (rotate, flip, channels, crop, tiles); it is done again and the pixels are compared",
}
LANGUAGES: tuple[str, ...] = get_args(DrawState.model_fields["language"].annotation)
KINDS = tuple(ANSWERS)
LARGEST = 256
"""Pixels on a side of the pictures that are written."""
_WALK = "You are the blue square, the green one is the goal, dark cells are walls. Which moves lead there? Use up, down, left, right."
_SVG = "Draw this picture as SVG, {} pixels wide and {} high. Answer with the SVG alone."
_PYTHON = (
    "Write Python that draws this picture, {} pixels wide and {} high, with canvas.background(colour), canvas.rectangle(x0, y0, x1, y1, "
    "colour), canvas.circle(x, y, radius, colour), canvas.polygon(points, colour), canvas.line(x0, y0, x1, y1, colour, width). A colour "
    "is a name or (red, green, blue). Answer with the code alone."
)
_HOW = {
    "rotate": "turned clockwise? Answer 0, 90, 180 or 270.",
    "flip": "mirrored? Answer left right, top bottom, or none.",
    "channels": "recoloured: which two of its channels were exchanged? Answer with two of red, green, blue, or none.",
    "tiles": "cut into quarters that were laid anew? Name for each place (1 2 above, 3 4 below) the quarter that lies there now.",
}
_WHERE = "The second picture is one ninth of the first. Which one? Answer such as top left, or middle center."


@dataclass(frozen=True)
class Made:
    """Rows written, and the files of the album that are no pictures, with why."""

    rows: int
    skipped: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """What is to be made. `album`: a folder of pictures; without it the tiny world draws them. `alone`: one picture is shown."""

    name: str
    number: int
    seed: int = 0
    album: Path | None = None
    language: str = "words"
    kinds: tuple[str, ...] = KINDS
    alone: bool = False


@dataclass(frozen=True)
class _Row:
    question: str
    pictures: tuple[Pixels, ...]
    state: Record
    key: str
    answer: str | None = None
    difficulty: float | None = None
    skill: str | None = None


def make(out: Path, wanted: Wanted) -> Made:
    """Write `wanted.number` rows: pictures under images/, one line each in questions.jsonl. Raises PromptSetError."""
    _check(wanted)
    album = _Album(wanted.album) if wanted.album is not None else None
    (out / "images").mkdir(parents=True, exist_ok=True)
    lines = [_written(out, wanted, index, row) for index, row in enumerate(_rows(wanted, album))]
    (out / "questions.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    return Made(len(lines), {} if album is None else album.skipped)


def _check(wanted: Wanted) -> None:
    """Raises PromptSetError for what cannot be made."""
    kinds = SINGLE if wanted.alone else KINDS
    if wanted.name not in STATES:
        raise PromptSetError(f"no environment {wanted.name!r}; there are: {', '.join(STATES)}.")
    if wanted.name == "navigate" and wanted.album is not None:
        raise PromptSetError("navigate draws its own mazes; leave out --from.")
    if wanted.name == "draw" and wanted.language not in LANGUAGES:
        raise PromptSetError(f"no language {wanted.language!r}; there are: {', '.join(LANGUAGES)}.")
    if wanted.name == "draw" and wanted.language == "words" and wanted.album is not None:
        raise PromptSetError(
            "the words draw only what the tiny world knows; give --language svg or python with --from."
        )
    if wanted.name == "transforms" and (set(wanted.kinds) - set(KINDS) or not set(wanted.kinds) & set(kinds)):
        raise PromptSetError(f"kinds {', '.join(wanted.kinds)}: give some of {', '.join(kinds)}.")


def _rows(wanted: Wanted, album: _Album | None) -> Iterator[_Row]:
    for index in range(wanted.number):
        rng = random.Random(f"environment/{wanted.name}/{wanted.seed}/{index}")
        if wanted.name == "navigate":
            yield _walk(rng)
        elif wanted.name == "draw":
            yield _draw(rng, wanted.language, album, index)
        else:
            yield _transform(rng, wanted, _tiny(rng)[0] if album is None else album.at(index))


def _written(out: Path, wanted: Wanted, index: int, row: _Row) -> bytes:
    names = [f"images/{index:06d}-{place}.png" for place in range(len(row.pictures))]
    for name, pixels in zip(names, row.pictures, strict=True):
        Image.fromarray(pixels).save(out / name)
    told: dict[str, Any] = {
        "id": f"{wanted.name}-{wanted.seed}-{index}",
        "images": names,
        "question": row.question,
        "skill": row.skill or wanted.name,
        "verifiers": [wanted.name],
        "environment": {"name": wanted.name, "state": row.state.model_dump(mode="json")},
        "split_key": row.key,
    }
    given = {"answer": row.answer, "difficulty": row.difficulty}
    return canonical.dumps(told | {name: value for name, value in given.items() if value is not None})


def _walk(rng: random.Random) -> _Row:
    """Mazes with the same walls share a key: start and goal alone do not make another maze."""
    made = maze.draw(rng)
    key = canonical.digest(made.state.rows)
    return _Row(_WALK, (maze.picture(made.state),), made.state, key, " ".join(made.way), made.difficulty)


def _draw(rng: random.Random, language: str, album: _Album | None, index: int) -> _Row:
    picture, words = _tiny(rng) if album is None else (album.at(index), "")
    state = DrawState.model_validate({"language": language})
    key = canonical.sha256(picture.tobytes())
    if language == "words":
        from ratchet.tinyworld import sketch

        return _Row(sketch.ASK, (picture,), state, key, words, round(words.count(",") / 3, 3))
    height, width = picture.shape[:2]
    return _Row((_SVG if language == "svg" else _PYTHON).format(width, height), (picture,), state, key)


def _tiny(rng: random.Random) -> tuple[Pixels, str]:
    """A picture of the tiny world with up to four shapes, and the words that draw it."""
    from ratchet.tinyworld import sketch
    from ratchet.tinyworld.draw import pixels
    from ratchet.tinyworld.scene import scatter, shapes

    scene = scatter(rng, shapes(rng, rng.randint(1, 4)))
    return pixels(scene), sketch.program(scene)


def _transform(rng: random.Random, wanted: Wanted, picture: Pixels) -> _Row:
    """A transform whose question has a wrong answer: a blank picture looks the same whatever is done to it."""
    kinds = [one for one in wanted.kinds if one in (SINGLE if wanted.alone else KINDS)]
    rng.shuffle(kinds)
    for kind in kinds:
        source, answer = fitting(kind, picture), rng.choice(ANSWERS[kind])
        made = np.ascontiguousarray(applied(kind, answer, source))
        if not all(same(applied(kind, one, source), made) for one in ANSWERS[kind]):
            break
    else:
        raise PromptSetError("a picture looks the same whatever is done to it; leave blank pictures out of the album.")
    state = TransformState.model_validate({"kind": kind, "done": answer if wanted.alone else None})
    begin = "How was this picture" if wanted.alone else "How was the first picture, to make the second,"
    question = _WHERE if kind == "crop" else f"{begin} {_HOW[kind]}"
    shown = (made,) if wanted.alone else (np.ascontiguousarray(source), made)
    return _Row(question, shown, state, canonical.sha256(picture.tobytes()), answer, skill=f"transforms-{kind}")


class _Album:
    """The pictures of a folder, upright, RGB and of at most LARGEST pixels on a side, over and over."""

    def __init__(self, folder: Path) -> None:
        self.skipped: dict[str, str] = {}
        self._folder = folder
        self._files = sorted(p for p in folder.rglob("*") if p.is_file() and is_picture(p.name))
        if not self._files:
            raise PromptSetError(f"no picture in {folder}; files of {', '.join(MEDIA_TYPES)} are needed.")

    def at(self, index: int) -> Pixels:
        """Picture `index`, counted round the album. Raises PromptSetError where none of it can be read."""
        while self._files:
            file = self._files[index % len(self._files)]
            try:
                image = ImageOps.exif_transpose(decode(file.read_bytes())).convert("RGB")
            except PromptSetError as error:
                self.skipped[str(file.relative_to(self._folder))] = str(error)
                self._files.remove(file)
                continue
            image.thumbnail((LARGEST, LARGEST))
            return np.asarray(image)
        raise PromptSetError(f"no picture in {self._folder} can be read: {next(iter(self.skipped.values()), '')}")
