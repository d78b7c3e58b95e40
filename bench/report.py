"""A report of 2,000 items in headless Chromium, from its file: seconds until it is loaded and its first cards stand."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from bench.result import Result

ITEMS, QUICK_ITEMS = 2000, 200
TURNS, QUICK_TURNS = 7, 2
GOAL = 1.0


def measure(quick: bool) -> list[Result]:
    """The loop's page, opened turn by turn at a desktop's and at a phone's width; the first turn warms up."""
    from ratchet.report import html
    from tests.browser import CHROMIUM, opened
    from tests.unit.report.example import loop, many_items

    if CHROMIUM is None:
        return []
    items, turns = (QUICK_ITEMS, QUICK_TURNS) if quick else (ITEMS, TURNS)
    view = many_items(loop(), items)
    with tempfile.TemporaryDirectory() as place, opened(Path(place) / "profile") as page:
        path = Path(place) / "report.html"
        path.write_text(html.render(view), encoding="utf-8")
        seconds: dict[int, list[float]] = {1280: [], 390: []}
        for turn in range(turns + 1):
            for width, measured in seconds.items():
                page.look(width=width)
                took = page.open(path)
                if turn:
                    measured.append(took)
        size = path.stat().st_size
    every = [one for measured in seconds.values() for one in measured]
    return [
        Result(
            name="report",
            what=f"seconds until a page of {items:,} items ({size / 2**20:.0f} MiB) is loaded from a file",
            goal=GOAL,
            at_least=False,
            measured=statistics.median(every),
            unit="s",
            turns=every,
            detail={"width_1280": seconds[1280], "width_390": seconds[390], "bytes": size},
        )
    ]
