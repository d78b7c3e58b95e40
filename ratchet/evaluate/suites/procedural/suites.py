"""The two suites and their parts."""

from __future__ import annotations

from ratchet.evaluate.suites.base import Suite
from ratchet.evaluate.suites.procedural import figures, pairs, sets, targets
from ratchet.evaluate.suites.procedural.drawing import Part, drawer
from ratchet.evaluate.suites.procedural.reading import mark
from ratchet.evaluate.suites.procedural.scene import WORLDS

PARTS: dict[str, tuple[Part, ...]] = {
    "spatial": (
        Part("relation", pairs.relation),
        Part("between", pairs.between, tiny=False),
        Part("nearest", pairs.nearest, tiny=False),
        Part("beside", targets.beside, large=False),
        Part("place", targets.place),
        Part("pointing", targets.pointing, tiny=False),
        Part("small-count", targets.count),
        Part("small-exist", targets.exist),
        Part("small-colour", targets.colour, tiny=False),
    ),
    "multi-view": (
        Part("views", sets.views),
        Part("order", sets.order),
        Part("same", sets.same),
        Part("difference", sets.difference, tiny=False),
        Part("contradiction", sets.contradiction),
    ),
}
NEEDS = "no files: it draws its own pictures, fresh for every salt"

SUITES = (
    Suite(
        name="spatial",
        title="Fine-grained spatial",
        family="spatial",
        measures="relations, pointing and things of a few pixels, in pairs of pictures that differ in one thing",
        paper="ours; pair accuracy as in MMVP (arXiv:2401.06209)",
        needs=NEEDS,
        format="none",
        primary="pair_accuracy",
        draw=drawer("spatial", PARTS["spatial"]),
        mark=mark,
        metrics=figures.pairs,
        parts=tuple(part.name for part in PARTS["spatial"]),
        sizes=tuple(WORLDS),
    ),
    Suite(
        name="multi-view",
        title="Multi-image consistency",
        family="multi-image",
        measures="the same answer over views, orders of pictures and wordings; what changed between two pictures",
        paper="ours",
        needs=NEEDS,
        format="none",
        primary="set_accuracy",
        draw=drawer("multi-view", PARTS["multi-view"]),
        mark=mark,
        metrics=figures.consistency,
        parts=tuple(part.name for part in PARTS["multi-view"]),
        sizes=tuple(WORLDS),
    ),
)
