"""Tables of words, shown alike in a terminal and on a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from markupsafe import Markup

from ratchet.report.page import fragment


class Table(NamedTuple):
    """Rows under a head; the first `left` columns are words, the others numbers."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1


def sections(tables: Iterable[Table], notes: Iterable[str] = ()) -> Markup:
    """Notices and a section for each table, for `ratchet.report.page.page`."""
    return fragment("tables.html.j2", tables=list(tables), notes=tuple(notes))
