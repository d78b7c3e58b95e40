"""Items to look at: do people find them clear? A sheet of pictures with their questions, or a folder with all of it.

python -m ratchet.evaluate.suites.procedural.specimens spatial --size 448 --items 40 --out FOLDER
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from ratchet.errors import RecipeError
from ratchet.evaluate.suites.base import Drawing, Question, Suite
from ratchet.evaluate.suites.catalogue import suite as named

SHOWN = "shown"
_LINE = 13
_CHARACTERS = 6
_GAP = 10
_PAPER, _TEXT = (255, 255, 255), (20, 20, 20)


def specimens(
    suite: Suite, n: int, *, salt: str = SHOWN, size: int | None = None, parts: tuple[str, ...] = ()
) -> list[Question]:
    """The first questions of a draw, of a split that nothing is measured on."""
    if suite.draw is None:
        raise RecipeError(f"suite {suite.name} draws nothing: it reads files ({suite.needs}).")
    return list(suite.draw(Drawing(n, salt, size, parts, "shown")))


def write(questions: Sequence[Question], folder: Path) -> Path:
    """Every picture by the item's key, questions.jsonl with facts and answers, and sheet.png. Gives the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for question in questions:
        names = [f"{question.key}-{place}.{_ending(body)}" for place, body in enumerate(question.pictures)]
        for name, body in zip(names, question.pictures, strict=True):
            (folder / name).write_bytes(body)
        told = {"key": question.key, "question": question.text, "answer": question.reference, "pictures": names}
        lines.append(json.dumps({**told, "difficulty": question.difficulty, "facts": dict(question.facts)}))
    (folder / "questions.jsonl").write_text("".join(f"{line}\n" for line in lines))
    sheet(questions).save(folder / "sheet.png")
    return folder


def sheet(questions: Sequence[Question], columns: int = 4, side: int = 220) -> Image.Image:
    """All questions on one picture, each with its pictures, answer and difficulty under them."""
    tiles = [_tile(question, side) for question in questions]
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    width = max(sum(tile.width + _GAP for tile in row) for row in rows) + _GAP
    heights = [max(tile.height for tile in row) + _GAP for row in rows]
    paper = Image.new("RGB", (width, sum(heights) + _GAP), _PAPER)
    top = _GAP
    for row, height in zip(rows, heights, strict=True):
        left = _GAP
        for tile in row:
            paper.paste(tile, (left, top))
            left += tile.width + _GAP
        top += height
    return paper


def _tile(question: Question, side: int) -> Image.Image:
    pictures = [Image.open(io.BytesIO(body)).convert("RGB") for body in question.pictures]
    width = side * len(pictures)
    told = [f"{question.category} {question.facts.get('form', '')} {question.difficulty:.2f}", question.text]
    lines = list(_wrapped([*told, f"> {question.reference}"], width // _CHARACTERS))
    tile = Image.new("RGB", (width, side + _LINE * len(lines)), _PAPER)
    for place, picture in enumerate(pictures):
        # Nearest keeps the pixels of small pictures as they are.
        filtered = Image.Resampling.NEAREST if picture.width < side else Image.Resampling.LANCZOS
        tile.paste(picture.resize((side - 4, side - 4), filtered), (place * side, 0))
    pen = ImageDraw.Draw(tile)
    for number, line in enumerate(lines):
        pen.text((0, side + number * _LINE), line, fill=_TEXT)
    return tile


def _wrapped(texts: Sequence[str], width: int) -> Iterator[str]:
    for text in texts:
        yield from textwrap.wrap(text, width)


def _ending(body: bytes) -> str:
    return "png" if body.startswith(b"\x89PNG") else "jpg"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m ratchet.evaluate.suites.procedural.specimens", description="Draw items of a suite to look at."
    )
    parser.add_argument("suite", help="spatial or multi-view")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--items", type=int, default=40)
    parser.add_argument("--size", type=int, default=None)
    parser.add_argument("--salt", default=SHOWN)
    parser.add_argument("--part", action="append", default=[])
    given = parser.parse_args(argv)
    try:
        drawn = specimens(named(given.suite), given.items, salt=given.salt, size=given.size, parts=tuple(given.part))
    except RecipeError as error:
        parser.error(str(error))
    sys.stdout.write(f"{write(drawn, given.out) / 'sheet.png'}: {len(drawn)} items\n")


if __name__ == "__main__":
    main()
