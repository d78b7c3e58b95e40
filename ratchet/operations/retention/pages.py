"""Pages that may show a picture: in the store, with versions in the registry, and those that were handed to Kubeflow."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ratchet import canonical
from ratchet.errors import NotFound
from ratchet.registry.base import ROUND, Registry
from ratchet.rounds import loop_prefix, round_prefix
from ratchet.store import Store

PAGE = "report.html"


def redraw_pages(
    store: Store,
    registry: Registry,
    shown: Iterable[tuple[str, int]],
    redraw: Callable[[str, int], None] | None,
) -> None:
    """Take the pages of these rounds and of their loops away, draw them anew, and keep the new ones with every version."""
    affected = sorted(shown)
    loops = sorted({loop for loop, _ in affected})
    for loop, number in affected:
        store.delete(f"{round_prefix(loop, number)}/{PAGE}")
    for loop in loops:
        store.delete(f"{loop_prefix(loop)}/{PAGE}")
    if redraw is not None:
        for loop, number in affected:
            redraw(loop, number)
    for loop in loops:
        _keep(store, registry, loop, {number for of, number in affected if of == loop})


def _keep(store: Store, registry: Registry, loop: str, numbers: set[int]) -> None:
    whole = _page(store, f"{loop_prefix(loop)}/{PAGE}", loop)
    for version in registry.versions(loop):
        registry.keep_page(loop, version.version, "loop.html", whole)
        number = version.tags.get(ROUND, "")
        if number.isdecimal() and int(number) in numbers:
            page = _page(store, f"{round_prefix(loop, int(number))}/{PAGE}", loop)
            registry.keep_page(loop, version.version, f"round-{int(number):04d}.html", page)


def _page(store: Store, key: str, loop: str) -> str:
    try:
        return store.get(key).decode()
    except NotFound:
        return (
            "<!doctype html><title>taken away</title><p>This page showed a picture that was forgotten. "
            f"<code>ratchet report --loop {loop}</code> draws another.</p>"
        )


def runs_of(store: Store, shown: Iterable[tuple[str, int]]) -> tuple[str, ...]:
    """Runs, as loop/run, that may have handed pages with the picture to Kubeflow: of the first round that has it and later ones."""
    first: dict[str, int] = {}
    for loop, number in shown:
        first[loop] = min(number, first.get(loop, number))
    found = set()
    for loop, number in first.items():
        for stat in store.list(f"{loop_prefix(loop)}/runs/"):
            ticket = canonical.loads(store.get(store.key(stat.uri)))
            if int(ticket["number"]) >= number:
                found.add(f"{loop}/{ticket['job']}")
    return tuple(sorted(found))
