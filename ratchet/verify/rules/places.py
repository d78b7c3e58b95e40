"""Rules on places in a picture: a box, all boxes, a point in a box."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ratchet.recipe.verifiers.rules import DetectionConfig, IoUConfig, PlaceBase, PointConfig
from ratchet.records import Prompt
from ratchet.verify.protocol import Check, Finding, Rule
from ratchet.verify.rules.boxes import MOST_BOXES, Box, Point, View, iou, read_boxes, read_points, views
from ratchet.verify.rules.detecting import average_precision, detection_f1
from ratchet.verify.rules.reading import MATCH, TOO_LONG, WRONG, bad_reference, one_value, rule, scored

NO_AREA = "no_area"
_AWAY = 1000.0
"""Widths of a box to where a corrupted reference puts it: beyond the picture."""

Boxes = tuple[Box, ...]


def overlap(config: IoUConfig) -> Rule:
    """Intersection over union of the answer's one box with the reference's, as a continuous score."""

    def compare(prompt: Prompt, given: Box, wanted: Box) -> Finding:
        seen = views(prompt, config)
        if seen is None:
            return _no_picture(prompt, config)
        ours, truth = seen[0].box(given, config.corners), seen[1].box(wanted, config.corners)
        if truth.area <= 0:
            return bad_reference("the reference's box has no area")
        if ours.area <= 0:
            return Finding(0.0, False, NO_AREA)
        return scored(iou(ours, truth), config.passes)

    def read(_: str, part: str) -> list[Box]:
        return [box._replace(label="", sure=None) for box in read_boxes(part)]

    return _rule(config, one_value(read, compare, config.answer), _boxes)


def detection(config: DetectionConfig) -> Rule:
    """F1 of boxes with their labels, or mean average precision where answers say how sure they are."""

    def compare(prompt: Prompt, given: Boxes, wanted: Boxes) -> Finding:
        seen = views(prompt, config)
        if seen is None:
            return _no_picture(prompt, config)
        if len(wanted) > MOST_BOXES:
            return bad_reference(f"the reference has {len(wanted)} boxes, at most {MOST_BOXES} are compared")
        if len(given) > MOST_BOXES:
            return Finding(0.0, False, TOO_LONG)
        ours = [seen[0].box(one, config.corners) for one in given]
        truth = [seen[1].box(one, config.corners) for one in wanted]
        score = detection_f1(ours, truth, config.overlap) if config.metric == "f1" else average_precision(ours, truth)
        return scored(score, config.passes)

    def read(_: str, part: str) -> list[Boxes]:
        found = read_boxes(part)
        return [found] if found else []

    return _rule(config, one_value(read, compare, config.answer), _boxes)


def point(config: PointConfig) -> Rule:
    """The answer's one point lies in a box of the reference, its edges included."""

    def read(_: str, part: str) -> list[Boxes | Point]:
        return [*read_points(part), *([found] if (found := read_boxes(part)) else [])]

    def compare(prompt: Prompt, given: Boxes | Point, wanted: Boxes | Point) -> Finding:
        seen = views(prompt, config)
        if seen is None:
            return _no_picture(prompt, config)
        if isinstance(wanted, Point):
            return bad_reference("the reference is a point; give the box that points must lie in")
        if not isinstance(given, Point):
            return WRONG
        return _within(seen[0].point(given), wanted, seen[1], config)

    return _rule(config, one_value(read, compare, config.answer), _spot)


def _rule(config: PlaceBase, check: Check, told: Callable[[float, PlaceBase, Prompt], str]) -> Rule:
    """`told` says the reference as an answer would, and for a corrupted one so many widths away."""
    return rule(config, check, partial(told, _AWAY, config), "2", gold=partial(told, 0.0, config))


def _within(spot: Point, boxes: Boxes, seen: View, config: PointConfig) -> Finding:
    true = [seen.box(one, config.corners) for one in boxes]
    return MATCH if any(b.x1 <= spot.x <= b.x2 and b.y1 <= spot.y <= b.y2 for b in true) else WRONG


def _no_picture(prompt: Prompt, config: PlaceBase) -> Finding:
    return bad_reference(f"the prompt has {len(prompt.images)} pictures, none with the number {config.picture}")


def _told(config: PlaceBase, prompt: Prompt, shift: float) -> list[Box]:
    """The reference's boxes in the scale of answers, moved across by so many of their own widths."""
    seen = views(prompt, config)
    if seen is None:
        return []
    ours, truth = seen
    real = (truth.box(box, config.corners) for box in read_boxes(prompt.reference or ""))
    moved = (one._replace(x1=one.x1 + step, x2=one.x2 + step) for one in real for step in [shift * (one.x2 - one.x1)])
    return [
        one._replace(x1=one.x1 / ours.across, x2=one.x2 / ours.across, y1=one.y1 / ours.down, y2=one.y2 / ours.down)
        for one in moved
    ]


def _boxes(shift: float, config: PlaceBase, prompt: Prompt) -> str:
    return ", ".join(f"{box.label} [{_numbers(box, config)}]".strip() for box in _told(config, prompt, shift))


def _numbers(box: Box, config: PlaceBase) -> str:
    last = (box.x2 - box.x1, box.y2 - box.y1) if config.corners == "xywh" else (box.x2, box.y2)
    return ", ".join(f"{one:.6f}" for one in (box.x1, box.y1, *last))


def _spot(shift: float, config: PlaceBase, prompt: Prompt) -> str:
    """The middle of the first box, moved."""
    box = next(iter(_told(config, prompt, shift)), None)
    return "" if box is None else f"({(box.x1 + box.x2) / 2:.6f}, {(box.y1 + box.y2) / 2:.6f})"
