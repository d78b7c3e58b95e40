"""Boxes and points in text: read, and brought to pixels of the real picture."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import orjson

from ratchet.recipe.verifiers.rules import PlaceBase, Resize, Scale
from ratchet.records import ImageRef, Prompt
from ratchet.verify import text as texts
from ratchet.verify.extract import fenced

MOST_BOXES = 256
_N = r"[+-]?(?:[0-9]{1,9}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})"
_COMMA = r"(?:[ \t\n]{0,8},[ \t\n]{0,8}|[ \t\n]{1,8})"
_BOX = re.compile(rf"[\[(<|>][ \t\n]{{0,8}}({_N}){_COMMA}({_N}){_COMMA}({_N}){_COMMA}({_N})[ \t\n]{{0,8}}[\])<|>]")
_POINT = re.compile(rf"[\[(][ \t\n]{{0,8}}({_N}){_COMMA}({_N})[ \t\n]{{0,8}}[\])]")
_PAIR = rf"\([ \t\n]{{0,8}}({_N}){_COMMA}({_N})[ \t\n]{{0,8}}\)"
_CORNERS = re.compile(rf"{_PAIR}[ \t\n]{{0,8}},?[ \t\n]{{0,8}}{_PAIR}")
_TAGS = re.compile(
    r"</?ref>|<\|object_ref_(?:start|end)\|>"
    r"|(?:<box>|<\|box_start\|>)(?:[ \t\n]{0,8}\[(?=[ \t\n]{0,8}\[)|(?=[ \t\n]{0,8}[\[(]))"
)
"""Marks of models that ground what they name (Qwen-VL, InternVL), as far as they stand before a label or a bracket."""
_POINT_TAG = re.compile(rf"<point[ \t]{{1,8}}x=\"({_N})\"[ \t]{{1,8}}y=\"({_N})\"")
_BARE = re.compile(_N)
_PLAIN = re.compile(r"[-+0-9.,\s]*")
_LABEL = re.compile(r"(?<![<|/\w])([^\W\d_][\w \t-]{0,60}?)[ \t]{0,8}[:=]?[ \t]{0,8}$")
_LEADING = re.compile(r"^(?:(?:and|then|a|an|the) )+")
_TAIL = 80
_MOST = 1e9
_BOX_KEYS = ("bbox_2d", "bbox", "box_2d", "box")
_POINT_KEYS = ("point_2d", "point")
_SURE_KEYS = ("score", "confidence")


class Box(NamedTuple):
    """Two corners, with what it holds and how sure the answer is of it (None: not said)."""

    x1: float
    y1: float
    x2: float
    y2: float
    label: str = ""
    sure: float | None = None

    @classmethod
    def of(cls, numbers: Sequence[float], label: str = "", sure: float | None = None) -> Box:
        x1, y1, x2, y2 = numbers
        return cls(x1, y1, x2, y2, label, sure)

    @property
    def area(self) -> float:
        """0 for a box whose corners are the wrong way round."""
        return max(0.0, self.x2 - self.x1) * max(0.0, self.y2 - self.y1)


class Point(NamedTuple):
    x: float
    y: float


def iou(one: Box, other: Box) -> float:
    """Intersection over union, 0 where either has no area."""
    if one.area <= 0 or other.area <= 0:
        return 0.0
    width = min(one.x2, other.x2) - max(one.x1, other.x1)
    height = min(one.y2, other.y2) - max(one.y1, other.y1)
    common = max(0.0, width) * max(0.0, height)
    return min(1.0, common / (one.area + other.area - common))


def read_boxes(text: str) -> tuple[Box, ...]:
    """Boxes in the text's own scale, in its order: JSON with a key for the box, four numbers in brackets, two corners in
    brackets of their own, or just four numbers.

    A label is JSON's "label", the words in front of the bracket, or what a grounding model's tags name (`<ref>`).
    """
    said = _json(text)
    if said is not None:
        return tuple(box for one in said if (box := _box_of(one)) is not None)
    if "(" in text or "<" in text:
        text = _TAGS.sub(" ", _CORNERS.sub(r"[\1,\2,\3,\4]", text))
    found, end = [], 0
    for match in _BOX.finditer(text):
        before = text[max(end, match.start() - _TAIL) : match.start()]
        label = _LABEL.search(before)
        name = _LEADING.sub("", texts.normalise(label[1])) if label else ""
        found.append(Box.of(_floats(match.groups()), name))
        end = match.end()
    if not found and len(text) < 200 and _PLAIN.fullmatch(text) and len(four := _BARE.findall(text)) == 4:
        return (Box.of(_floats(four)),)
    return tuple(found)


def read_points(text: str) -> tuple[Point, ...]:
    """Points in the text's own scale: JSON with a key for the point, two numbers in brackets, `<point x= y=>`
    (Molmo), or just two."""
    said = _json(text)
    if said is not None:
        return tuple(point for one in said if (point := _point_of(one)) is not None)
    found = tuple(Point(*_floats(match.groups())) for kind in (_POINT, _POINT_TAG) for match in kind.finditer(text))
    if not found and len(text) < 200 and _PLAIN.fullmatch(text) and len(two := _BARE.findall(text)) == 2:
        return (Point(*_floats(two)),)
    return found


def _floats(numbers: Iterable[str]) -> list[float]:
    return [float(one) for one in numbers]


def _json(text: str) -> list[Any] | None:
    """The things of a JSON text, one or a list of them; None where the text is no JSON or of numbers alone."""
    if "{" not in text:
        return None
    parts = fenced(text)
    try:
        found = orjson.loads(parts[0]) if len(parts) == 1 else None
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return None
    things = found if isinstance(found, list) else [found]
    return things if all(isinstance(one, dict) for one in things) else None


def _numbers(one: dict[str, Any], keys: tuple[str, ...], count: int) -> list[float] | None:
    value = next((one[key] for key in keys if key in one), None)
    if not isinstance(value, list) or len(value) != count:
        return None
    numbers = [float(n) for n in value if isinstance(n, int | float) and not isinstance(n, bool) and abs(n) < _MOST]
    return numbers if len(numbers) == count else None


def _box_of(one: dict[str, Any]) -> Box | None:
    numbers = _numbers(one, _BOX_KEYS, 4)
    if numbers is None:
        return None
    label = one.get("label")
    sure = next((one[key] for key in _SURE_KEYS if key in one), None)
    is_sure = isinstance(sure, int | float) and not isinstance(sure, bool) and abs(sure) < _MOST
    return Box.of(
        numbers,
        texts.normalise(label) if isinstance(label, str) else "",
        float(sure) if sure is not None and is_sure else None,
    )


def _point_of(one: dict[str, Any]) -> Point | None:
    numbers = _numbers(one, _POINT_KEYS, 2)
    return None if numbers is None else Point(*numbers)


class View(NamedTuple):
    """How many pixels of the real picture one unit of a text's numbers is, across and down."""

    across: float
    down: float

    def box(self, box: Box, corners: str) -> Box:
        x1, y1, x2, y2 = box[:4]
        if corners == "xywh":
            x2, y2 = x1 + x2, y1 + y2
        return box._replace(x1=x1 * self.across, y1=y1 * self.down, x2=x2 * self.across, y2=y2 * self.down)

    def point(self, point: Point) -> Point:
        return Point(point.x * self.across, point.y * self.down)


def views(prompt: Prompt, config: PlaceBase) -> tuple[View, View] | None:
    """The views of answers and of references; None where the prompt has no such picture."""
    if config.picture >= len(prompt.images):
        return None
    image = prompt.images[config.picture]
    return view(image, config.scale, config.resize), view(image, config.reference_scale, None)


def view(image: ImageRef, scale: Scale, resize: Resize | None) -> View:
    """The view of numbers in that scale, of the picture as it is or as the processor made it."""
    if scale == "fraction":
        return View(image.width, image.height)
    if scale == "thousand":
        return View(image.width / 1000, image.height / 1000)
    width, height = (image.width, image.height) if resize is None else resized(image.width, image.height, resize)
    return View(image.width / width, image.height / height)


def resized(width: int, height: int, resize: Resize) -> tuple[int, int]:
    """Sides in pixels after the processor: the longer side made `longest_edge`, the area held within its bounds."""
    scale = resize.longest_edge / max(width, height) if resize.longest_edge else 1.0
    across, down = _rounded(width * scale, resize.multiple), _rounded(height * scale, resize.multiple)
    if resize.most_pixels and across * down > resize.most_pixels:
        scale = math.sqrt(resize.most_pixels / (width * height))
        return _rounded(width * scale, resize.multiple, -1), _rounded(height * scale, resize.multiple, -1)
    if resize.least_pixels and across * down < resize.least_pixels:
        scale = math.sqrt(resize.least_pixels / (width * height))
        return _rounded(width * scale, resize.multiple, 1), _rounded(height * scale, resize.multiple, 1)
    return across, down


def _rounded(side: float, multiple: int, way: int = 0) -> int:
    """To a multiple: the nearest, or down (-1), or up (1); at least one."""
    times = side / multiple
    whole = round(times) if way == 0 else math.ceil(times) if way > 0 else math.floor(times)
    return max(multiple, whole * multiple)
