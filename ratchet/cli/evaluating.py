"""`ratchet evaluate`: the stage of the loop's open round; and suites by themselves, on any model or stored answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ratchet.cli import preferring
from ratchet.cli.output import (
    EmbeddedOption,
    JobOption,
    JsonOption,
    LoopOption,
    console,
    errors,
    print_json,
    print_lines,
    print_manifest,
    workplace,
)

if TYPE_CHECKING:
    from ratchet.recipe import SuiteConfig
    from ratchet.registry.base import Registry
    from ratchet.store import Store

EPILOG = "Example: ratchet evaluate --loop mine"

evaluating = typer.Typer(invoke_without_command=True, no_args_is_help=False)
preferring.register(evaluating)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="As `ratchet evaluate suites` lists it.")]
FromOption = Annotated[str | None, typer.Option("--from", help="Folder or s3:// address of the benchmark's own files.")]
ItemsOption = Annotated[int | None, typer.Option(min=1, help="Draw so many questions, of a suite that draws them.")]
SizeOption = Annotated[
    int | None, typer.Option(min=1, help="Side of drawn pictures in pixels; default: the suite's first.")
]
SaltOption = Annotated[str, typer.Option(help="Another salt draws other questions; compare models on one.")]
PartOption = Annotated[list[str] | None, typer.Option("--part", help="Only this part; may be given again.")]
LimitOption = Annotated[int | None, typer.Option(min=1, help="About so many questions, the same each time.")]


@evaluating.callback(epilog=EPILOG)
def evaluate(
    called: typer.Context,
    loop: LoopOption = "default",
    job: JobOption = None,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Champion and candidate answer the same held-out prompts, and the recipe's suites."""
    if called.invoked_subcommand is not None:
        return
    from ratchet.live import watching
    from ratchet.loop import run_stage

    with workplace(embedded) as settings, watching(errors):
        manifest = run_stage(settings, loop, "evaluate", job)
    print_manifest("evaluate", manifest, as_json)
    if not as_json:
        from ratchet.evaluate.suites import showing

        print_lines(showing.of_round(manifest))


@evaluating.command(epilog="Example: ratchet evaluate suites pope")
def suites(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Tell all of this one.")] = None,
    as_json: JsonOption = False,
) -> None:
    """All suites, a line each; or all of one: the files that it needs, their format, its parts, the paper."""
    from ratchet.evaluate.suites import showing

    if as_json:
        print_json(showing.listed() if name is None else showing.told(name))
    elif name is not None:
        print_lines(showing.all_of(name))
    else:
        for line in showing.table():
            console.print(line, highlight=False, markup=False, no_wrap=True, overflow="ellipsis", crop=True)
        errors.print("`ratchet evaluate suites NAME` tells all of one", style="dim", highlight=False)


@evaluating.command(epilog="Example: ratchet evaluate suite pope --from pope-files --model my-model --part adversarial")
def suite(
    name: NameArgument,
    source: FromOption = None,
    model: Annotated[
        str | None,
        typer.Option(help="Folder, s3://, models:/name@champion, models:/name/3 or hf://; none with an endpoint."),
    ] = None,
    part: PartOption = None,
    limit: LimitOption = None,
    items: ItemsOption = None,
    size: SizeOption = None,
    salt: SaltOption = "",
    engine: Annotated[
        str | None, typer.Option(help="transformers, vllm or endpoint; default: the recipe's, else transformers.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Base address of engine endpoint; default: RATCHET_ENDPOINT_URL.")
    ] = None,
    served_model: Annotated[
        str | None, typer.Option(help="Model name at the endpoint; default: the only one that it serves.")
    ] = None,
    key_env: Annotated[
        str | None, typer.Option(help="Environment variable with its API key; default: RATCHET_ENDPOINT_KEY.")
    ] = None,
    fields: Annotated[
        list[str] | None,
        typer.Option("--set", help="FIELD=VALUE of the engine, as in generate.engine; may be given again."),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", "-r", help="Its evaluate part says how models are asked, verify.judges who judges."),
    ] = None,
    judge: Annotated[str | None, typer.Option(help="Judge of the recipe, for a suite that is marked by one.")] = None,
    predictions: Annotated[Path | None, typer.Option(help="Write the answers to this JSONL file, too.")] = None,
    out: Annotated[
        Path, typer.Option(help="Folder that keeps the answers where neither RATCHET_ROOT nor --embedded is set.")
    ] = Path("evaluations"),
    again: Annotated[bool, typer.Option("--again", help="Measure anew, whatever is kept of earlier runs.")] = False,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run one suite on one model, and print its figures with 95% intervals.

    Run again, it goes on, asks what failed, or says what it found.
    """
    from ratchet.cli.engines import engine_of
    from ratchet.evaluate.suites import showing
    from ratchet.evaluate.suites.running import RunOptions, run
    from ratchet.recipe import Recipe, load

    chosen = _chosen(name=name, source=source, parts=part, limit=limit, items=items, size=size, judge=judge)
    server = {"url": url, "model": served_model, "key_env": key_env}
    given = load(recipe) if recipe is not None else Recipe(name="none")
    options = RunOptions(
        suite=chosen,
        model=model,
        evaluate=given.evaluate,
        engine=engine_of(engine, server, fields or [], given.evaluate.engine),
        judges=given.verify.judges,
        salt=salt,
        again=again,
    )
    with place(embedded, out) as (store, registry):
        manifest = run(store, options, registry, _watch)
        if predictions is not None:
            showing.write_predictions(store, manifest, predictions)
    if as_json:
        print_json(manifest.model_dump(mode="json"))
    else:
        print_lines(showing.of_suite(manifest.results))
        print_lines([f"answers, measured {manifest.created:%Y-%m-%d %H:%M} UTC: {manifest.uri}"])


@evaluating.command(epilog="Example: ratchet evaluate score pope --from pope-files --predictions answers.jsonl")
def score(
    name: NameArgument,
    predictions: Annotated[Path, typer.Option(help="JSONL or Parquet: key and prediction a row.")],
    source: FromOption = None,
    part: PartOption = None,
    limit: LimitOption = None,
    items: ItemsOption = None,
    size: SizeOption = None,
    salt: SaltOption = "",
    as_json: JsonOption = False,
) -> None:
    """Score stored answers. Missing, extra and repeated ones are errors."""
    from ratchet.evaluate.suites import showing
    from ratchet.evaluate.suites.scoring import score_file

    chosen = _chosen(name=name, source=source, parts=part, limit=limit, items=items, size=size)
    found = score_file(chosen, predictions, salt)
    if as_json:
        print_json(found)
    else:
        print_lines(showing.of_suite(found))


def _chosen(parts: list[str] | None, **given: Any) -> SuiteConfig:
    from pydantic import ValidationError

    from ratchet.errors import RecipeError
    from ratchet.evaluate.suites import suite as suite_of
    from ratchet.recipe import SuiteConfig

    suite_of(given["name"])
    try:
        return SuiteConfig(parts=tuple(parts or ()), **given)
    except ValidationError as error:
        raise RecipeError(f"{error.errors()[0]['msg'].removeprefix('Value error, ')} (--from, --items).") from error


class place:
    """The store and registry of the environment or `embedded`; a plain folder where none is set."""

    def __init__(self, embedded: Path | None, out: Path) -> None:
        self._embedded, self._out = embedded, out
        self._workplace: Any = None

    def __enter__(self) -> tuple[Store, Registry | None]:
        import os

        from ratchet.store import open_store

        if self._embedded is None and not os.environ.get("RATCHET_ROOT"):
            return open_store(str(self._out.absolute())), None
        from ratchet.registry import open_registry

        self._workplace = workplace(self._embedded)
        settings = self._workplace.__enter__()
        store = open_store(settings.root)
        return store, open_registry(settings, store)

    def __exit__(self, *error: Any) -> None:
        if self._workplace is not None:
            self._workplace.__exit__(*error)


def _watch(done: int, total: int, unit: str, note: str = "") -> None:
    end = "\r" if done < total else "\n"
    errors.print(f"[dim]{note}: {done} of {total} {unit}[/dim]", highlight=False, end=end)
