"""`ratchet init`: a loop's first champion, and on a cluster all that its rounds need to start by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ratchet.cli.cluster import AllowTagsOption, PlaceOption, profile_of
from ratchet.cli.output import EmbeddedOption, LoopOption, console, workplace
from ratchet.cli.policies import (
    AfterOption,
    AlarmOption,
    HoursOption,
    MostRoundsOption,
    OwnerName,
    OwnerOption,
    WithoutPromotionOption,
    change_of,
    rules_of,
)
from ratchet.cli.policies import say as say_policy

if TYPE_CHECKING:
    from ratchet.operations.changing import PolicyChange
    from ratchet.settings import Settings

EPILOG = "Example: ratchet init --loop mine --seed hf://HuggingFaceTB/SmolVLM-256M-Instruct@main"


def init(
    seed: Annotated[
        str, typer.Option(help="Folder, s3://prefix, models:/name@alias, hf://repo@revision, or tinyworld.")
    ],
    loop: LoopOption = "default",
    base: Annotated[
        str | None, typer.Option(help="The model that a seed which is an adapter lies on; the same kinds of places.")
    ] = None,
    chat_template: Annotated[
        Path | None,
        typer.Option("--chat-template", help="Jinja file to store with a seed that brings no chat template."),
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(help="On a cluster: when rounds start, as in a crontab, in UTC. Uploads the pipeline, too."),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe", "-r", help="With --schedule or --owner: the recipe of its rounds; with --schedule default: rft."
        ),
    ] = None,
    prompts: Annotated[
        str | None, typer.Option(help="With --recipe: an imported prompt set, in place of the recipe's.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(min=0, help="With --schedule or --owner: hours of a device that one round may take.")
    ] = None,
    owner: OwnerOption = None,
    after_refused: AfterOption = None,
    rounds_without_promotion: WithoutPromotionOption = None,
    rounds: MostRoundsOption = None,
    gpu_hours: HoursOption = None,
    on_alarm: AlarmOption = None,
    profile: PlaceOption = None,
    allow_tags: AllowTagsOption = False,
    embedded: EmbeddedOption = None,
) -> None:
    """Register a loop's first champion; with --schedule also give it a pipeline, an experiment and a schedule on a cluster, with
    --owner or a stop rule its policy, as `ratchet loop policy` does.

    A loop that has a champion keeps it. Given again the command changes only what differs.
    """
    from ratchet.loop import init_loop

    rules = rules_of(rounds_without_promotion, rounds, gpu_hours, on_alarm)
    ruled = bool(owner or after_refused or rules)
    if schedule is None and not ruled and (recipe or prompts or budget):
        raise typer.BadParameter(
            "--recipe, --prompts and --budget say what a --schedule, or an --owner, starts", param_hint="--schedule"
        )
    if ruled and recipe is None and schedule is None:
        raise typer.BadParameter("a policy names the recipe of its rounds, as --recipe rft", param_hint="--recipe")
    if schedule is not None and owner not in (None, OwnerName.schedule):
        raise typer.BadParameter("a loop with a --schedule is owned by it", param_hint="--owner")
    with workplace(embedded) as settings:
        version = init_loop(settings, loop, seed, base=base, template=chat_template)
        words = f"champion of loop {loop}: version {version.version}  {version.uri}"
        console.print(words, highlight=False, soft_wrap=True)
        if schedule is not None:
            _on_cluster(settings, loop, schedule, recipe, prompts, budget, profile, allow_tags)
        if ruled:
            given = None if schedule is not None else recipe
            _rule(settings, loop, change_of(owner, given, None, budget, after_refused, rules, prompts=prompts))


def _rule(settings: Settings, loop: str, asked: PolicyChange) -> None:
    from ratchet.operations.changing import change, what_else
    from ratchet.store import open_store

    store = open_store(settings.root)
    found = change(store, loop, asked)
    say_policy(store, loop, found, what_else(store, loop, asked, found), as_json=False)


def _on_cluster(
    settings: Settings,
    loop: str,
    cron: str,
    recipe: str | None,
    prompts: str | None,
    budget: float | None,
    profile: str | None,
    allow_tags: bool,
) -> None:
    from ratchet.cli.schedules import say
    from ratchet.operations.policy import read_policy
    from ratchet.platform.deploying import check_images, deploy
    from ratchet.platform.places import Place
    from ratchet.platform.recipes import check_prompts, policy_of
    from ratchet.platform.scheduling import ensure
    from ratchet.store import open_store

    store, loaded = open_store(settings.root), profile_of(settings, profile)
    policy = policy_of(read_policy(store, loop), loaded, recipe, prompts=prompts, budget=budget)
    check_prompts(store, policy.recipe)
    check_images(loaded, allow_tags)
    place = Place.of(loaded)
    client = place.connect()
    made = deploy(client, loaded, allow_tags=allow_tags)
    console.print(f"pipeline {made.pipeline}: {'uploaded' if made.new else 'unchanged'}, version {made.version}")
    say(ensure(store, client, place, loop, cron, policy), as_json=False)
