"""Writing reports: one self-contained page for a round and one for the loop, in the store, as files and in the registry."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from ratchet import canonical, rounds
from ratchet.errors import NotFound, RatchetError
from ratchet.registry.base import Registry
from ratchet.report.afterwards import retold
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
    return _put_loop_page(store, collect(store, loop, items=LOOP_ITEMS, picture_bytes=END_PICTURE_BYTES))


def _put_loop_page(store: Store, view: LoopView) -> str:
    key = loop_key(view.loop)
    store.put(key, render(view).encode())
    return store.uri(key)


def rewrite_loop_page(registry: Registry, store: Store, loop: str, version: str) -> str:
    """Write the loop's page after a person has made `version` champion, in the store and with that version, and tell of it in the
    pages of the rounds that it is about; the loop's URI."""
    view = collect(store, loop, items=LOOP_ITEMS, picture_bytes=END_PICTURE_BYTES)
    uri = _put_loop_page(store, view)
    retell_rounds(registry, store, view)
    registry.keep_page(loop, version, "loop.html", store.get(loop_key(loop)).decode())
    return uri


def retell_rounds(registry: Registry, store: Store, view: LoopView) -> list[int]:
    """Say in the pages of rounds that are there already what persons did with their candidates since, in the store and with
    their versions; the rounds whose page is another one now."""
    told = []
    for shown in view.rounds:
        key = round_key(view.loop, shown.number)
        try:
            page = store.get(key).decode()
        except NotFound:
            continue
        if (anew := retold(page, shown)) != page:
            if shown.candidate_version is not None:
                registry.keep_page(view.loop, shown.candidate_version, _file(shown.number), anew)
            store.put(key, anew.encode())
            told.append(shown.number)
    return told


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
    registry.keep_page(loop, version, _file(number), store.get(round_key(loop, number)).decode())
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


def _file(number: int) -> str:
    return f"round-{number:04d}.html"


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
