"""Writing reports: one self-contained page for a round and one for the loop, in the store and as files."""

from __future__ import annotations

from pathlib import Path

from ratchet import canonical, rounds
from ratchet.report.collect import collect
from ratchet.report.html import render, render_round
from ratchet.report.summary import summary
from ratchet.report.view import LoopView
from ratchet.store import Store

ROUND_ITEMS = 1000


def write_round_report(store: Store, loop: str, number: int) -> str:
    """Write the round's page beside its artifacts and return its URI."""
    view = collect(store, loop, items=ROUND_ITEMS, looked_at={number})
    key = f"{rounds.round_prefix(loop, number)}/report.html"
    store.put(key, render_round(view, number).encode())
    return store.uri(key)


def write_loop_report(store: Store, view: LoopView, out: Path) -> None:
    """Write the loop's page to `out` and, with its summary, to the loop's place in the store."""
    page = render(view).encode()
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(page)
    prefix = rounds.loop_prefix(view.loop)
    store.put(f"{prefix}/report.html", page)
    store.put(f"{prefix}/summary.json", canonical.pretty(summary(view)))
