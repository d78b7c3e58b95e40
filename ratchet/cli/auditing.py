"""`ratchet verify audit`: measure the verifiers themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ratchet.cli.output import EmbeddedOption, JsonOption, LoopOption, console, errors, print_json, workplace

if TYPE_CHECKING:
    from ratchet.verify.audit import AuditResult

EPILOG = "Example: ratchet verify audit --loop mine --recipe rft --prompts 100"


def register(verify: typer.Typer) -> None:
    verify.command("audit", epilog=EPILOG)(audit)


def audit(
    loop: LoopOption = "default",
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", "-r", help="Whose verifiers; default: the recipe of the loop's last round."),
    ] = None,
    prompts: Annotated[
        int | None, typer.Option("--prompts", "-n", min=1, help="Validation prompts; default: verify.audit's, or 200.")
    ] = None,
    k: Annotated[int | None, typer.Option("-k", min=1, help="Answers to each; default: verify.audit's, or 4.")] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="JSONL of prompt_id, text, right, author: what people say is right, in place of the rules."),
    ] = None,
    people: Annotated[
        bool, typer.Option("--people", help="On what people labelled in `ratchet review`, in place of the rules.")
    ] = False,
    tinyworld: Annotated[
        bool, typer.Option("--tinyworld", help="On the embedded world and its seed; needs no loop.")
    ] = False,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure every verifier on validation prompts: gold, corrupted gold, and answers of the seed. Changes nothing."""
    if labels is not None and people:
        raise typer.BadParameter("--labels and --people each say what is right; give one of both")
    if tinyworld:
        given = [
            name
            for name, value in (("--labels", labels), ("--people", people or None), ("--embedded", embedded))
            if value is not None
        ]
        if given:
            raise typer.BadParameter(f"{given[0]} is for loops; leave it out, or leave out --tinyworld")
        from ratchet.tinyworld.audited import audit_tinyworld

        found = audit_tinyworld(recipe, prompts, k, watch=_watch)
    else:
        from ratchet.auditing import AuditOptions, audit_loop

        with workplace(embedded, known=True) as settings:
            found = audit_loop(settings, AuditOptions(loop, recipe, prompts, k, labels, people), _watch)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _print(found)


def _watch(done: int, of: int, verifier: str) -> None:
    errors.print(f"[dim]{done + 1} of {of}: {verifier} ...[/dim]", highlight=False)


def _print(found: AuditResult) -> None:
    from rich.table import Table

    from ratchet.report import organising_words as words
    from ratchet.verify.audit import showing

    console.print(f"{words.on_what(found)}\n", highlight=False, markup=False)
    for head, cells in ((showing.RIGHTS, showing.rights), (showing.BIASES, showing.biases)):
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
        for number, name in enumerate(head):
            table.add_column(name, justify="left" if number < 1 else "right")
        for one in found.verifiers:
            table.add_row(*cells(one))
        console.print(table)
        console.print()
    console.print(words.no_better(found), highlight=False, markup=False)
