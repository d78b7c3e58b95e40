"""`ratchet gc` and `ratchet forget`: take away what is old and not needed, and a picture that must not be here."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ratchet.cli.output import EmbeddedOption, JsonOption, console, print_json, print_lines, print_tables, workplace

if TYPE_CHECKING:
    from ratchet.operations.retention import Sweep, Told
    from ratchet.settings import Settings

_UNITS = {"h": 1 / 24, "d": 1, "w": 7}


def register(app: typer.Typer) -> None:
    app.command("gc", rich_help_panel="Operations", epilog="Example: ratchet gc --older-than 30d --apply")(gc)
    app.command("forget", rich_help_panel="Operations", epilog="Example: ratchet forget --image photo.jpg --apply")(
        forget
    )


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


def forget(
    image: Annotated[str, typer.Option(help="The picture's SHA-256, or its file.")],
    apply: Annotated[bool, typer.Option("--apply/--dry-run", help="Take it out, or only say where it is.")] = False,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a picture, and what was made from it, out of the store, and list the versions that learned from it."""
    from ratchet.operations.retention import forget as take_out
    from ratchet.registry import open_registry
    from ratchet.store import open_store

    with workplace(embedded, known=True) as settings:
        store = open_store(settings.root)
        found = take_out(
            store,
            open_registry(settings, store),
            _sha_of(image),
            apply=apply,
            redraw=lambda loop, n: _redraw(settings, loop, n),
        )
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    _print_forgotten(found)


def _sha_of(image: str) -> str:
    from ratchet import canonical

    path = Path(image)
    return canonical.sha256(path.read_bytes()) if path.is_file() else image


def _redraw(settings: Settings, loop: str, number: int) -> None:
    """The pages of a round that showed the picture, in the store and with its version."""
    from ratchet import rounds
    from ratchet.finish import write_papers
    from ratchet.store import open_store

    end = rounds.read_end(open_store(settings.root), loop, number)
    if end is not None:
        write_papers(settings, loop, number, end)


def _print_forgotten(found: Told) -> None:
    verb = "gone" if found.applied else "to take out"
    lines = [
        f"picture {found.sha256}",
        f"{verb}: {found.rows} rows and {len(found.derived)} pictures made from it, in {len(found.files)} files of "
        f"{len(found.rounds)} rounds; {found.cached} files of remembered answers",
    ]
    for loop, versions in found.versions.items():
        lines.append(
            f"versions of {loop} that learned from it: {', '.join(versions) or 'none'}; their weights are as they were"
        )
    if not found.versions:
        lines.append("no version learned from it")
    if found.left:
        lines.append(
            f"named by its hash still in {len(found.left)} documents, which hold no picture: {', '.join(found.left[:5])}"
        )
    if found.runs:
        lines.append(
            f"pages that Kubeflow keeps of {len(found.runs)} runs may show it, if it ran them; delete their HTML artifacts in its bucket: "
            + ", ".join(found.runs)
        )
    if not found.applied and (found.files or found.cached):
        lines.append("`--apply` takes it out; exports, and copies outside of the store, are yours to find")
    print_lines(lines)
