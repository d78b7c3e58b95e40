"""`ratchet loop policy`: who starts a loop's rounds, with what, and when it stops; and the same for `ratchet init`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ratchet.cli.output import EmbeddedOption, JsonOption, LoopOption, print_json, print_lines, workplace

if TYPE_CHECKING:
    from ratchet.operations.changing import PolicyChange
    from ratchet.operations.policy import LoopPolicy
    from ratchet.store import Store


class OwnerName(StrEnum):
    schedule = "schedule"
    trigger = "trigger"
    nobody = "nobody"


class After(StrEnum):
    next = "next"
    stop = "stop"
    wait = "wait"


class Clearable(StrEnum):
    rounds_without_promotion = "rounds_without_promotion"
    rounds = "rounds"
    gpu_hours = "gpu_hours"


OwnerOption = Annotated[OwnerName | None, typer.Option(help="Who starts its rounds besides people.")]
AfterOption = Annotated[
    After | None,
    typer.Option(
        "--after-refused",
        help="Trigger: what follows a refused round: the next, a stop, or the next move of the alias.",
    ),
]
WithoutPromotionOption = Annotated[
    int | None, typer.Option("--rounds-without-promotion", min=1, help="Stop after so many in a row.")
]
MostRoundsOption = Annotated[int | None, typer.Option("--rounds", min=1, help="Stop after so many rounds.")]
HoursOption = Annotated[
    float | None,
    typer.Option("--gpu-hours", min=0, help="Stop once its rounds took so many hours of a device together."),
]
AlarmOption = Annotated[bool | None, typer.Option("--on-alarm/--no-on-alarm", help="Stop after an alarm or an audit.")]


def policy(
    loop: LoopOption = "default",
    owner: OwnerOption = None,
    recipe: Annotated[
        str | None, typer.Option("--recipe", "-r", help="Of its rounds: a shipped name, a YAML file, or YAML text.")
    ] = None,
    seed: Annotated[str | None, typer.Option(help="Start from this version instead of the champion.")] = None,
    budget: Annotated[
        float | None, typer.Option(min=0, help="Hours of a device that one round may take; 0: as many as it needs.")
    ] = None,
    after_refused: AfterOption = None,
    rounds_without_promotion: WithoutPromotionOption = None,
    rounds: MostRoundsOption = None,
    gpu_hours: HoursOption = None,
    on_alarm: AlarmOption = None,
    clear: Annotated[
        list[Clearable] | None, typer.Option(help="A stop rule to give up; several times for several.")
    ] = None,
    take_over: Annotated[bool, typer.Option("--take-over", help="Also a loop that another owner drives.")] = False,
    embedded: EmbeddedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change who starts a loop's rounds, with what, and when it stops; show it where nothing is given. What is not given stays."""
    from ratchet.operations.changing import change, what_else
    from ratchet.operations.policy import read_policy
    from ratchet.store import open_store

    rules = rules_of(rounds_without_promotion, rounds, gpu_hours, on_alarm)
    twice = [one.value for one in clear or () if one.value in rules]
    if twice:
        raise typer.BadParameter(f"{twice[0]} is set and cleared at once", param_hint="--clear")
    rules |= {one.value: None for one in clear or ()}
    asked = change_of(owner, recipe, seed, budget, after_refused, rules, take_over=take_over)
    with workplace(embedded, known=True) as settings:
        store = open_store(settings.root)
        found = change(store, loop, asked) if asked else read_policy(store, loop)
        say(store, loop, found, what_else(store, loop, asked, found) if found else [], as_json)


def rules_of(without: int | None, rounds: int | None, hours: float | None, on_alarm: bool | None) -> dict[str, Any]:
    """Those stop rules that are given."""
    given = {"rounds_without_promotion": without, "rounds": rounds, "gpu_hours": hours, "on_alarm": on_alarm}
    return {name: value for name, value in given.items() if value is not None}


def change_of(
    owner: OwnerName | None,
    recipe: str | None,
    seed: str | None,
    budget: float | None,
    after: After | None,
    rules: dict[str, Any],
    *,
    prompts: str | None = None,
    take_over: bool = False,
) -> PolicyChange:
    """What is given. Raises RecipeError for a recipe that is not valid."""
    from ratchet.operations.changing import PolicyChange

    fields = {
        "owner": owner.value if owner is not None else None,
        "recipe": _recipe(recipe, prompts) if recipe is not None else None,
        "seed": seed,
        "budget": budget,
        "after_refused": after.value if after is not None else None,
    }
    return PolicyChange({name: value for name, value in fields.items() if value is not None}, rules, take_over)


def _recipe(given: str, prompts: str | None) -> str:
    from ratchet.platform.recipes import recipe_argument

    return recipe_argument(given, prompts)


def say(store: Store, loop: str, found: LoopPolicy | None, more: list[str], as_json: bool) -> None:
    """The policy, and what else is to be done."""
    from ratchet.operations.standing import standing_of

    if as_json:
        print_json({"loop": loop, "policy": found.model_dump(mode="json") if found is not None else None, "next": more})
        return
    if found is None:
        print_lines(
            [
                f"loop {loop} has no policy: only people start its rounds. `ratchet loop policy --loop {loop} --recipe rft` makes one, "
                "--owner trigger gives it to the trigger"
            ]
        )
        return
    print_lines([*_lines(standing_of(store, loop)["rules"], found), *more])


def _lines(rules: list[dict[str, str]], found: LoopPolicy) -> list[str]:
    shown = {
        "owner": found.owner,
        "recipe": found.recipe.splitlines()[0],
        "seed": found.seed,
        "budget": f"{found.budget:g} hours of a device a round" if found.budget else "as many hours as a round needs",
        "after_refused": found.after_refused,
        **{one["rule"]: f"{one['limit']} (now {one['now']})" for one in rules},
    }
    return [f"{name}: {value}" for name, value in shown.items()]
