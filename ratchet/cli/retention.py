"""`ratchet gc`: take away by age what no version, champion, ledger or round needs."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ratchet.cli.output import EmbeddedOption, JsonOption, console, print_json, print_lines, print_tables, workplace

if TYPE_CHECKING:
    from ratchet.operations.retention import Sweep

_UNITS = {"h": 1 / 24, "d": 1, "w": 7}


def register(app: typer.Typer) -> None:
    app.command("gc", rich_help_panel="Operations", epilog="Example: ratchet gc --older-than 30d --apply")(gc)


def age(text: str) -> timedelta:
    """ "30d", "4w", "36h" as a span of time."""
    found = re.fullmatch(r"(\d{1,5})([hdw])", text.strip())
    if found is None:
        raise typer.BadParameter(f"{text!r} is no age; write such as 30d, 4w or 36h", param_hint="--older-than")
    return timedelta(days=int(found[1]) * _UNITS[found[2]])


def gc(
    older_than: Annotated[str, typer.Option(help="Age: 30d, 4w, 36h; at least a day.")] = "30d",
    apply: Annotated[bool, typer.Option("--apply/--dry-run", help="Delete, or only say what would go.")] = False,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find old objects that nothing references, and with --apply delete them. Ledgers, promotions, manifests and reports stay."""
    from ratchet.operations.retention import collect
    from ratchet.registry import open_registry
    from ratchet.store import open_store

    span = age(older_than)
    with workplace(embedded, known=True) as settings:
        store = open_store(settings.root)
        found = collect(store, open_registry(settings, store), span, apply=apply)
    if as_json:
        print_json(told(found))
        return
    _print(found)


def told(found: Sweep) -> dict[str, Any]:
    """A sweep as JSON-able data; sizes in bytes."""
    kinds = {
        name: {"objects": kind.objects, "bytes": kind.size, "kept": kind.kept} for name, kind in found.kinds.items()
    }
    totals = {"objects": found.objects, "bytes": found.size, "kinds": kinds, "examples": found.examples}
    return {"applied": found.applied, "before": found.before, **totals}


def _print(found: Sweep) -> None:
    from ratchet.report.tables import Table

    rows = [
        (name, str(kind.objects), f"{kind.size / 2**20:,.1f}", str(kind.kept), (found.examples.get(name) or [""])[0])
        for name, kind in sorted(found.kinds.items())
    ]
    verb = "deleted" if found.applied else "would go"
    title = f"older than {found.before:%Y-%m-%d %H:%M} UTC"
    print_tables([Table(title, ("what", verb, "MiB", "stays", "the first"), rows)])
    end = "" if found.applied or not found.objects else "; `--apply` deletes them"
    print_lines([f"{found.objects} objects, {found.size / 2**20:,.1f} MiB {verb}{end}"])
    if not found.objects:
        console.print("nothing to delete", highlight=False)
