"""Writing reports: one self-contained page for a round and one for the loop, in the store, as files and in the registry."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from ratchet import canonical, rounds
from ratchet.errors import NotFound, RatchetError
from ratchet.registry.base import Registry
from ratchet.report.collect import CLOSE, collect
from ratchet.report.gallery import gallery
from ratchet.report.html import page, render, render_round
from ratchet.report.summary import summary
from ratchet.report.view import LoopView
from ratchet.settings import Settings
from ratchet.store import Store, open_store

ROUND_ITEMS = 1000
LOOP_ITEMS = 400
"""Items in the gallery of a page that a round's end writes; `ratchet report` shows more of a loop."""
END_PICTURE_BYTES = 4 * 2**20
"""What the pictures of such a gallery weigh."""
HANDED_BYTES = 8 * 2**20
"""A larger page is not handed to Kubeflow, which would load it whole: another that says where it lies is."""
REPORT = "ratchet.report"
"""Tag of a version: where its round's page lies."""


class Page(NamedTuple):
    uri: str
    content: bytes


def write_pages(store: Store, loop: str, number: int) -> None:
    """Write the round's page beside its artifacts, and the loop's as it stands at the round's end: of one look at the loop."""
    close = {number, *rounds.numbers(store, loop)[-CLOSE:]}
    view = collect(store, loop, items=LOOP_ITEMS, picture_bytes=END_PICTURE_BYTES, looked_at=close)
    items = tuple(gallery(store, loop, [number], None, ROUND_ITEMS, END_PICTURE_BYTES))
    store.put(round_key(loop, number), render_round(view.model_copy(update={"gallery": items}), number).encode())
    store.put(loop_key(loop), render(view).encode())


def write_loop_page(store: Store, loop: str) -> str:
    """Write the loop's page as it stands, and return its URI."""
    key = loop_key(loop)
    store.put(key, render(collect(store, loop, items=LOOP_ITEMS, picture_bytes=END_PICTURE_BYTES)).encode())
    return store.uri(key)


def rewrite_loop_page(registry: Registry, store: Store, loop: str, version: str) -> str:
    """Write the loop's page after a person has made `version` champion, in the store and with that version; its URI."""
    uri = write_loop_page(store, loop)
    registry.keep_page(loop, version, "loop.html", store.get(loop_key(loop)).decode())
    return uri


def write_loop_report(store: Store, view: LoopView, out: Path) -> None:
    """Write the loop's page to `out` and, with its summary, to the loop's place in the store."""
    content = render(view).encode()
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(content)
    store.put(loop_key(view.loop), content)
    store.put(f"{rounds.loop_prefix(view.loop)}/summary.json", canonical.pretty(summary(view)))


def register_reports(registry: Registry, store: Store, loop: str, number: int, version: str) -> None:
    """Keep the round's page and the loop's with the version that the round made: artifacts of its run, and a tag that says
    where the page lies in the store."""
    registry.keep_page(loop, version, f"round-{number:04d}.html", store.get(round_key(loop, number)).decode())
    registry.keep_page(loop, version, "loop.html", store.get(loop_key(loop)).decode())
    registry.set_tags(loop, version, {REPORT: store.uri(round_key(loop, number))})


def pages_of_run(settings: Settings, loop: str, job: str, said: str) -> tuple[Page, Page]:
    """The round's page and the loop's, of the round that run `job` worked on; where there is none, a page that says why."""
    try:
        store = open_store(settings.root)
        ticket = rounds.read_run(store, loop, job)
        keys = (round_key(loop, ticket.number) if ticket else None, loop_key(loop))
        shown, whole = (_page(store, key, loop, said) for key in keys)
    except (RatchetError, OSError) as error:
        none = _none(loop, f"{said} The store did not answer: {type(error).__name__}: {error}")
        return none, none
    return shown, whole


def round_key(loop: str, number: int) -> str:
    return f"{rounds.round_prefix(loop, number)}/report.html"


def loop_key(loop: str) -> str:
    return f"{rounds.loop_prefix(loop)}/report.html"


def _page(store: Store, key: str | None, loop: str, said: str) -> Page:
    if key is None:
        return _none(loop, said)
    try:
        found = Page(store.uri(key), store.get(key))
    except NotFound:
        return _none(loop, said)
    return found if len(found.content) <= HANDED_BYTES else _elsewhere(loop, found, said)


def _elsewhere(loop: str, found: Page, said: str) -> Page:
    """Instead of a page that is too large to hand on."""
    size = f"{len(found.content) / 2**20:.1f} MiB"
    words = Markup('<p class="note">{}</p><p>The report has {} and lies at <code>{}</code>.</p>').format(
        said, size, found.uri
    )
    kicker = (f"loop {loop}",)
    return Page(
        found.uri, page(f"{loop}: report of {size}", "The report lies in the store.", words, kicker=kicker).encode()
    )


def _none(loop: str, said: str) -> Page:
    words = Markup('<p class="note">{}</p>').format(said)
    return Page("", page(f"{loop}: no report", "There is no report.", words, kicker=(f"loop {loop}",)).encode())
