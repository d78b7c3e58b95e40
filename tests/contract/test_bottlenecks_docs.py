"""The tables of docs/bottlenecks.md against the code."""

from __future__ import annotations

import re
from pathlib import Path

from ratchet.evaluate.suites.procedural.scene import WORLDS
from ratchet.evaluate.suites.procedural.suites import PARTS

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "bottlenecks.md").read_text(encoding="utf-8")


def test_every_part_has_a_row_with_the_sizes_that_have_it() -> None:
    told = re.findall(r"^\| `([\w-]+)` \| `([\w-]+)` \| (\w+) \|", TEXT, re.M)
    where = {(True, True): "all", (True, False): "tiny", (False, True): "large"}
    assert told == [(name, part.name, where[part.tiny, part.large]) for name, parts in PARTS.items() for part in parts]


def test_every_size_has_a_row_with_what_it_draws() -> None:
    told = re.findall(r"^\| (\d+) \| (\d+) to (\d+) \| (\d+) \| (\d+) \| (\d+) to (\d+) \| (\d+) \|$", TEXT, re.M)
    said = [
        (world.side, *world.things, len(world.colours), len(world.shapes), *world.sizes, world.least)
        for world in WORLDS.values()
    ]
    assert [tuple(map(int, row)) for row in told] == said
