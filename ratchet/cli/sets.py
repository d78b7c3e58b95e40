"""Commands on data: import your own prompts, export what a round made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ratchet.cli.output import EmbeddedOption, JsonOption, console, print_json, workplace
from ratchet.errors import ImportRefused, RoundError

if TYPE_CHECKING:
    from ratchet.importing.options import ImportOptions
    from ratchet.store import Store


def register(app: typer.Typer) -> None:
    panel = "Data"
    app.command(
        "import", rich_help_panel=panel, epilog="Example: ratchet import photos/ --name photos --column question=query"
    )(import_)
    app.command(
        rich_help_panel=panel,
        epilog="Example: ratchet export demo/1 --as sft --out rows",
    )(export)


def import_(
    source: Annotated[
        str,
        typer.Argument(
            help="Folder, JSONL, CSV, Parquet, WebDataset tar ('x-{000..099}.tar', quoted), saved Hugging Face dataset, "
            "s3://prefix, or hf://datasets/..."
        ),
    ],
    name: Annotated[
        str | None, typer.Option(help="What recipes call the set; default: the source's last part.")
    ] = None,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="A pool of pictures without questions: every picture is one prompt.")
    ] = False,
    ask: Annotated[
        str | None, typer.Option(help="With --pictures: what all ask; default: Describe the image in detail.")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="FIELD=COLUMN, for a field whose column has another name.")
    ] = None,
    skill: Annotated[
        str | None, typer.Option(help="Skill of rows that name none; default: general, or picture with --pictures.")
    ] = None,
    verifier: Annotated[
        list[str] | None, typer.Option(help="Verifier of rows that name none; default: by the answer's shape.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of rows that name none.")] = None,
    share: Annotated[
        list[str] | None,
        typer.Option(
            help="SPLIT=SHARE, four times; default pool=.7 validation=.05 holdout=.15 report=.1, or pool=1 with --pictures."
        ),
    ] = None,
    split_by: Annotated[
        str | None, typer.Option(help="Column that stays together: document, patient, writer; default: the picture.")
    ] = None,
    split_column: Annotated[str | None, typer.Option(help="Column with the data's own split names.")] = None,
    max_pixels: Annotated[int, typer.Option(min=1, help="Larger pictures are rejected.")] = 64_000_000,
    rejects: Annotated[Path, typer.Option(help="Local file for rejected rows.")] = Path("rejects.jsonl"),
    strict: Annotated[bool, typer.Option("--strict", help="Refuse the import when any row is rejected.")] = False,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a prompt set of your own pictures and questions. Every bad row is reported; nothing is dropped silently."""
    from ratchet.importing import import_prompts
    from ratchet.store import open_store

    options = options_of(
        name=name or default_name(source),
        pictures=pictures,
        ask=ask,
        columns=pairs(column),
        skill=skill,
        verifiers=tuple(verifier) if verifier else None,
        licence=licence,
        shares={k: float(v) for k, v in pairs(share).items()} or None,
        split_by=split_by,
        split_column=split_column,
        max_pixels=max_pixels,
        rejects=rejects,
        strict=strict,
    )
    with workplace(embedded) as settings:
        report = import_prompts(source, open_store(settings.root), options)
    if as_json:
        print_json(report.model_dump(mode="json"))
        return
    for line in report.lines():
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    field = "pictures" if pictures else "source"
    console.print(f"use it in a recipe: prompts: {{{field}: {report.set.name}}}", highlight=False, markup=False)


def export(
    artifact: Annotated[
        str, typer.Argument(help="LOOP, LOOP/ROUND or LOOP/ROUND/STAGE (default: the last round's filter), or a URI.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the data set.")],
    form: Annotated[
        Literal["sft", "pairs", "messages", "groups"],
        typer.Option("--as", help="Rows for SFT, preference pairs, chat messages, or whole groups."),
    ] = "sft",
    file_format: Annotated[
        Literal["parquet", "jsonl"], typer.Option("--format", help="Parquet with pictures inside, or JSON lines.")
    ] = "parquet",
    embedded: EmbeddedOption = None,
) -> None:
    """Write an artifact as a self-contained data set for `datasets`, TRL, LLaMA-Factory or ms-swift."""
    from ratchet.exporting import export as write
    from ratchet.store import open_store

    with workplace(embedded, known=True) as settings:
        store = open_store(settings.root)
        report = write(store, artifact_uri(store, artifact), form, out, file_format)
    print_json(report.model_dump(mode="json"))


def artifact_uri(store: Store, given: str) -> str:
    """Address of what `ratchet export` was asked for. Raises RoundError naming what there is."""
    from ratchet import rounds

    if "://" in given or given.startswith("/"):
        return given
    loop, number, stage = [*given.split("/"), "", ""][:3]
    known = rounds.numbers(store, loop)
    if not known:
        there = ", ".join(rounds.loops(store)) or "none"
        raise RoundError(f"no loop {loop!r} with rounds under {store.root}; loops there: {there}.")
    if number and not number.isdigit():
        raise RoundError(f"{number!r} is no round number; write LOOP/ROUND/STAGE, such as {loop}/{known[-1]}/filter.")
    done = rounds.manifests(store, loop, int(number) if number else known[-1])
    wanted = stage or "filter"
    if wanted not in done:
        there = ", ".join(done) or "none"
        raise RoundError(f"round {number or known[-1]} of loop {loop} has no {wanted} artifact; it has: {there}.")
    return done[wanted].uri


def options_of(**given: Any) -> ImportOptions:
    """Options from the command line's values; None means the default. Raises ImportRefused naming the bad one."""
    from pydantic import ValidationError

    from ratchet.importing.options import ImportOptions

    try:
        return ImportOptions.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        told = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'options'}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        )
        raise ImportRefused(f"{told}. See `ratchet import --help`.") from error


def default_name(source: str) -> str:
    """The last part of a path or address, without its ending or the braces of a pattern."""
    last = source.split("@")[0].split("{")[0].rstrip("/-_.").rsplit("/", 1)[-1]
    return last.split(".")[0] or "prompts"


def pairs(given: list[str] | None) -> dict[str, str]:
    """FIELD=VALUE options as a dict."""
    found = {}
    for one in given or ():
        key, equals, value = one.partition("=")
        if not equals or not key or not value:
            raise ImportRefused(f"{one!r} must have the form NAME=VALUE, such as question=query.")
        found[key] = value
    return found
