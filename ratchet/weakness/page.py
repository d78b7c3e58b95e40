"""A report on weaknesses as a page in the report's style."""

from __future__ import annotations

from ratchet.report.page import page
from ratchet.report.tables import sections
from ratchet.weakness.report import Weakness
from ratchet.weakness.showing import heading, tables

NOTES = (
    "Measured on the validation split alone: no holdout or report item is read, so what is learned from this cannot help a "
    "candidate through the gate.",
    "Intervals are 95%. Many parts are compared at once, so the worst of them looks worse than it is; trust the interval.",
)


def render(found: Weakness, loop: str) -> str:
    """The whole page; every text in it may come from a model or a data set."""
    main = sections(tables(found), NOTES)
    return page(
        f"Weaknesses in {loop}", "What it gets wrong", main, kicker=(loop, "weaknesses"), standfirst=heading(found)
    )
