"""Checks of what is to be learned: the recipe, its prompts, its models, and the champion that it starts from."""

from __future__ import annotations

from ratchet.errors import ModelError, NotFound, RatchetError, RoundError
from ratchet.preflight.checking import Check
from ratchet.preflight.context import Context
from ratchet.preflight.finding import Finding, fail, ok, skipped, worst
from ratchet.registry.base import CHAMPION


def profile(context: Context) -> Finding:
    problem = context.problems.get("profile")
    if problem is not None:
        return fail(str(problem), "Mend the profile; `ratchet profile schema` has all its fields.")
    return ok(f"profile {context.where.name}")


def recipe(context: Context) -> Finding:
    """That it can be read, and asks for no more than the profile has."""
    problem = context.problems.get("recipe")
    if problem is not None:
        return fail(str(problem), "Mend the recipe; `ratchet recipe show NAME` shows one that is whole.")
    if context.recipe is None:
        return skipped("no recipe was named (--recipe)")
    if context.profile is None:
        return ok(f"recipe {context.recipe.name}, against no profile")
    context.profile.check(context.recipe)
    return ok(f"recipe {context.recipe.name} fits profile {context.profile.name}")


def prompts(context: Context) -> Finding:
    """That the sets which the recipe names are in the store, with all splits."""
    from ratchet.begin.prompts import plan
    from ratchet.evaluate.inputs import check
    from ratchet.filter.inputs import evaluation_sets

    wanted = context.wanted
    planned = plan(context.store, wanted.prompts, context.asked.loop or "preflight", "0" * 32)
    others = wanted.filter.decontaminate_against
    evaluation_sets(context.store, others)
    check(wanted)
    also = "" if isinstance(others, str) else f", and {len(others)} sets to keep apart" if others else ""
    return ok(f"prompts of {wanted.prompts.source} ({planned.prompts[:12]}){also}")


def champion(context: Context) -> Finding:
    """That the loop has a version to start from, and all its files lie in the store with the sizes that its card lists."""
    from ratchet import models
    from ratchet.begin.stage import as_ref, no_champion

    registry, loop = context.registry, context.loop
    if context.asked.seed != CHAMPION and context.beginning:
        return skipped("begin itself looks for the version that was asked for")
    if context.asked.seed != CHAMPION:
        version = registry.version(loop, context.asked.seed)
    else:
        found = registry.champion(loop)
        if found is None and context.beginning:
            return skipped("begin itself looks for the champion, after mending what was left half done")
        if found is None:
            raise RoundError(no_champion(loop))
        version = found
    ref = as_ref(version)
    try:
        card = models.read_card(context.store, ref)
        key = context.store.key(ref.uri)
        _all_there(context, {f"{key}/{file.path}": file.size for file in card.files}, ref.uri)
    except (ModelError, NotFound) as error:
        return fail(
            f"version {version.version} of {loop}: {error}",
            f"Restore the files, or go back: `ratchet rollback --loop {loop} --to VERSION`.",
        )
    size = sum(file.size for file in card.files)
    return ok(
        f"version {version.version}, digest {ref.digest[:12]}, {len(card.files)} files of {size / 1e6:,.1f} MB in the store"
    )


def _all_there(context: Context, sizes: dict[str, int], uri: str) -> None:
    """Raise ModelError for what is missing or of another size: a look at the listing, not at the bytes."""
    prefix = context.store.key(uri)
    found = {context.store.key(one.uri): one.size for one in context.store.list(f"{prefix}/")}
    missing = [name for name in sizes if name not in found]
    other = [name for name, size in sizes.items() if name in found and found[name] != size]
    if missing or other:
        named = ", ".join([*missing, *other][:3])
        raise ModelError(
            f"{len(missing)} of its files are missing in the store and {len(other)} have another size ({named})"
        )


def models_beside(context: Context) -> Finding:
    """That the models which the recipe names beside the seed can be found. Those on the hub: see hub."""
    named = [one for one in context.wanted.sources() if not one.startswith("hf://")]
    if not named:
        return skipped("the recipe works with no other model, or with models of the hub only")
    return worst([_found(context, one) for one in named])


def _found(context: Context, source: str) -> Finding:
    from ratchet import sources

    try:
        if source.startswith("s3://"):
            from ratchet.store import open_store

            place = open_store(source.rstrip("/"))
            if not place.exists("config.json"):
                raise ModelError(f"there is no config.json at {source}")
        elif source.startswith("models:/"):
            _registered(context, source)
        else:
            sources.fetch_model(source, context.store)
    except RatchetError as error:
        return fail(f"model {source}: {error}", "Bring the model there, or name another in the recipe.")
    return ok(f"model {source}")


def _registered(context: Context, source: str) -> None:
    name, _, version = source.removeprefix("models:/").partition("/")
    if version:
        context.registry.version(name, version)
    elif context.registry.champion(name.partition("@")[0]) is None:
        raise ModelError(f"{name} has no champion in {context.registry.uri}")


_IMPORTS = ("ratchet.begin.stage", "ratchet.filter.inputs", "ratchet.evaluate.inputs")
CHECKS = (
    Check("profile", "the profile can be read", profile),
    Check("recipe", "the recipe can be read and fits the profile", recipe),
    Check("prompts", "the prompt sets that the recipe names", prompts, ("settings", "recipe"), ("store",), _IMPORTS),
    Check(
        "champion",
        "the seed's version and its files",
        champion,
        ("settings", "loop"),
        ("store", "mlflow"),
        _IMPORTS,
        begins=True,
    ),
    Check("models", "models beside the seed", models_beside, ("settings", "recipe"), ("store",), ("ratchet.sources",)),
)
