"""Whether a profile has what a recipe needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ratchet.errors import RecipeError
from ratchet.launching.fitting import check_training
from ratchet.profile import machine
from ratchet.profile.tasks import HERE, WITHOUT_MODELS
from ratchet.recipe import EndpointConfig, Recipe
from ratchet.recipe.judges import SEED, JudgeConfig

if TYPE_CHECKING:
    from ratchet.profile.profile import Profile


def check(profile: Profile, recipe: Recipe) -> None:
    """Raise RecipeError when the recipe needs more than this profile has."""
    if recipe.generate.engine.kind not in profile.engines:
        raise RecipeError(
            f"recipe {recipe.name} generates with engine {recipe.generate.engine.kind}; profile {profile.name} has "
            f"{', '.join(profile.engines)}. Change generate.engine, or compile with a profile that has it."
        )
    if recipe.train.method not in profile.methods:
        raise RecipeError(
            f"recipe {recipe.name} trains by {recipe.train.method}; profile {profile.name} allows {', '.join(profile.methods)}. "
            "Change train.method, or compile with a profile that allows it."
        )
    try:
        check_training(profile.launcher, recipe.train, training_gpus(profile))
    except ValueError as error:
        raise RecipeError(f"recipe {recipe.name} does not fit profile {profile.name}: {error}.") from error
    _check_job(profile, recipe)
    _check_judges(profile, recipe)
    _check_models(profile, recipe)


def _check_job(profile: Profile, recipe: Recipe) -> None:
    """A TrainJob's pods need an image that a cluster can pull, and the store's bytes."""
    job = profile.placed_launcher.trainjob
    if job is not None and (job.image or HERE).startswith(HERE):
        raise RecipeError(
            f"recipe {recipe.name} trains as a TrainJob, but profile {profile.name} has no image for it: images.training is {job.image}. "
            "Set images: {training: REGISTRY/ratchet-training:TAG} in the profile, or launcher.trainjob.image."
        )


def _check_judges(profile: Profile, recipe: Recipe) -> None:
    for name, judge in sorted(_judges(recipe).items()):
        if judge.engine.kind not in profile.engines:
            raise RecipeError(
                f"recipe {recipe.name} asks judge {name} with engine {judge.engine.kind}; profile {profile.name} has "
                f"{', '.join(profile.engines)}. Change verify.judges.{name}.engine, or compile with a profile that has it."
            )


def _check_models(profile: Profile, recipe: Recipe) -> None:
    """A stage that runs a model needs an image that can."""
    for stage, why in (("verify", verify_runs(recipe)), ("filter", filter_runs(recipe))):
        name = profile.set_of(stage)
        if why is None or name != WITHOUT_MODELS or profile.images[name].startswith(HERE):
            continue
        raise RecipeError(
            f"recipe {recipe.name} runs {why} in stage {stage}; profile {profile.name} gives {stage} the image {name}, which has no "
            f"torch. Set image_of: {{{stage}: inference}} in the profile and compile again, or ask a server (engine endpoint)."
        )


def training_gpus(profile: Profile) -> int:
    """GPUs that training has; where images are this machine's own environment and none are counted, those that it has."""
    job = profile.launcher.trainjob
    if job is not None:
        return job.gpus * profile.launcher.nodes
    counted = profile.resources_of("train").gpus
    return counted or (machine.gpus_here() if profile.image("train").startswith(HERE) else 0)


def _judges(recipe: Recipe) -> dict[str, JudgeConfig]:
    """The judges that the recipe's verifiers ask, by name."""
    asked = {one.judge for one in recipe.verify.chosen if hasattr(one, "judge")}
    return {name: recipe.verify.judges.get(name, JudgeConfig()) for name in asked if name is not None}


def verify_runs(recipe: Recipe) -> str | None:
    """The model that verify runs itself, in words; None where rules, servers and subprocesses decide."""
    for name, judge in sorted(_judges(recipe).items()):
        if not isinstance(judge.engine, EndpointConfig):
            return f"judge {name} ({'the seed' if judge.model == SEED else judge.model})"
    models = (getattr(one, "model", None) for one in recipe.verify.chosen)
    found = next((model for model in models if model is not None), None)
    return None if found is None else f"model {found}"


def filter_runs(recipe: Recipe) -> str | None:
    """The model that filter runs itself, in words; None where it runs none."""
    found = next(iter(recipe.filter.sources()), None)
    return None if found is None else f"model {found}"
