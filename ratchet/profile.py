"""The profile: where a round runs. Images, resources, secrets' names; fixed when the pipeline is compiled."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import Field, ValidationError, model_validator

from ratchet.errors import RecipeError
from ratchet.launching import LauncherConfig
from ratchet.launching.fitting import check_training
from ratchet.recipe import EndpointConfig, Recipe
from ratchet.recipe.judges import SEED, JudgeConfig
from ratchet.records import Record

IMAGE_OF_TASK: Mapping[str, str] = {
    "begin": "core",
    "generate": "inference",
    "generate-shard": "inference",
    "merge": "core",
    "verify": "core",
    "filter": "core",
    "train": "training",
    "evaluate": "inference",
    "promote": "core",
    "finish": "core",
}


RESOURCES_OF_TASK: Mapping[str, str] = {"generate-shard": "generate"}
"""Tasks that get a stage's resources; all others have their own name's."""
WITHOUT_MODELS = "core"
"""The dependency set that has no torch."""
_HERE = "python:"
"""Images of the local profile are this machine's own environment, which has what it has."""


class Resources(Record):
    """Of one stage's container, in Kubernetes' units. `gpus` of the type `gpu`."""

    cpu: str = "2"
    memory: str = "4Gi"
    gpus: int = Field(0, ge=0)
    gpu: str = "nvidia.com/gpu"


class Profile(Record):
    """Where a round runs.

    `images` by dependency set (core, inference, training); `image_of` by task where it needs another set than most recipes do, such
    as {verify: inference} for a judge that runs in the stage; `resources` and `retries` by stage; `secrets` maps a secret's
    name to {key in the secret: environment variable}; `environment` holds plain, public variables.
    """

    name: str = "local"
    images: dict[str, str] = {
        "core": "python:ratchet-core",
        "inference": "python:ratchet-inference",
        "training": "python:ratchet-training",
    }
    image_of: dict[str, str] = Field({}, description="dependency set by task, in place of the usual one")
    resources: dict[str, Resources] = {}
    retries: int = Field(1, ge=0)
    parallelism: int = Field(
        1, ge=1, le=256, description="shards of generate that run side by side; 1: one task makes them all"
    )
    launcher: LauncherConfig = Field(LauncherConfig(), description="where training runs")
    secrets: dict[str, dict[str, str]] = {}
    environment: dict[str, str] = {}
    engines: tuple[str, ...] = ("transformers", "vllm", "endpoint")
    methods: tuple[str, ...] = ("sft", "dpo", "kto", "grpo", "rloo")

    @model_validator(mode="after")
    def _sets_exist(self) -> Profile:
        for task, name in self.image_of.items():
            if task not in IMAGE_OF_TASK:
                raise ValueError(f"image_of names {task!r}, which is no task; tasks: {', '.join(IMAGE_OF_TASK)}")
            if name not in self.images:
                raise ValueError(f"image_of gives {task} the set {name!r}; images has {', '.join(self.images)}")
        return self

    @model_validator(mode="after")
    def _gpus_are_used(self) -> Profile:
        """One process uses one GPU: with fewer some would wait for each other, with more some would idle."""
        gpus, launcher = self.resources_of("train").gpus, self.launcher
        if launcher.kind != "trainjob" and gpus and launcher.processes != gpus:
            raise ValueError(
                f"resources.train.gpus is {gpus}, but launcher {launcher.kind} starts {launcher.processes} processes, one for each "
                f"GPU; set launcher: {{kind: torchrun, processes: {gpus}}}, or gpus: {launcher.processes}"
            )
        return self

    @model_validator(mode="after")
    def _whole_job(self) -> Profile:
        """The component of a TrainJob only waits: GPUs that it had would idle. And no variable may be given twice."""
        if self.launcher.kind == "trainjob" and self.resources_of("train").gpus:
            raise ValueError(
                f"resources.train.gpus is {self.resources_of('train').gpus}, but launcher trainjob trains in pods of its own while the "
                "component waits; set launcher.trainjob.gpus, and resources.train.gpus to 0"
            )
        self.placed_launcher  # noqa: B018
        return self

    @property
    def placed_launcher(self) -> LauncherConfig:
        """The launcher, its TrainJob with the image, the variables and the secrets that the profile gives every stage."""
        job = self.launcher.trainjob
        if job is None:
            return self.launcher
        # The step itself only waits, which the smallest image can.
        name = self.set_of("train")
        image = self.images.get("training" if name == WITHOUT_MODELS else name, "")
        filled = job.filled(image, self.environment, self.secrets)
        return self.launcher.model_copy(update={"trainjob": filled})

    @classmethod
    def load(cls, given: str | None) -> Profile:
        """From a YAML or JSON file or its text; None is the built-in local profile. Raises RecipeError."""
        if not given:
            return cls()
        inline = "\n" in given or given.lstrip().startswith("{")
        path = Path(given)
        if not inline and not path.is_file():
            raise RecipeError(
                f"no profile file {given}; give a path to a YAML file, or leave it out for the local profile."
            )
        try:
            return cls.model_validate(yaml.safe_load(given if inline else path.read_text(encoding="utf-8")))
        except (ValidationError, yaml.YAMLError) as error:
            raise RecipeError(f"profile {'given inline' if inline else given} is not valid: {error}") from error

    def check(self, recipe: Recipe) -> None:
        """Raise RecipeError when the recipe needs more than this profile has."""
        if recipe.generate.engine.kind not in self.engines:
            raise RecipeError(
                f"recipe {recipe.name} generates with engine {recipe.generate.engine.kind}; profile {self.name} has {', '.join(self.engines)}. "
                "Change generate.engine, or compile with a profile that has it."
            )
        if recipe.train.method not in self.methods:
            raise RecipeError(
                f"recipe {recipe.name} trains by {recipe.train.method}; profile {self.name} allows {', '.join(self.methods)}. "
                "Change train.method, or compile with a profile that allows it."
            )
        try:
            check_training(self.launcher, recipe.train, self._training_gpus())
        except ValueError as error:
            raise RecipeError(f"recipe {recipe.name} does not fit profile {self.name}: {error}.") from error
        self._check_job(recipe)
        self._check_judges(recipe)
        self._check_models(recipe)

    def _check_job(self, recipe: Recipe) -> None:
        """A TrainJob's pods need an image that a cluster can pull, and the store's bytes."""
        job = self.placed_launcher.trainjob
        if job is not None and (job.image or _HERE).startswith(_HERE):
            raise RecipeError(
                f"recipe {recipe.name} trains as a TrainJob, but profile {self.name} has no image for it: images.training is {job.image}. "
                "Set images: {training: REGISTRY/ratchet-training:TAG} in the profile, or launcher.trainjob.image."
            )

    def _check_judges(self, recipe: Recipe) -> None:
        for name, judge in sorted(_judges(recipe).items()):
            if judge.engine.kind not in self.engines:
                raise RecipeError(
                    f"recipe {recipe.name} asks judge {name} with engine {judge.engine.kind}; profile {self.name} has "
                    f"{', '.join(self.engines)}. Change verify.judges.{name}.engine, or compile with a profile that has it."
                )

    def _check_models(self, recipe: Recipe) -> None:
        """A stage that runs a model needs an image that can."""
        for stage, why in (("verify", verify_runs(recipe)), ("filter", filter_runs(recipe))):
            name = self.set_of(stage)
            if why is None or name != WITHOUT_MODELS or self.images[name].startswith(_HERE):
                continue
            raise RecipeError(
                f"recipe {recipe.name} runs {why} in stage {stage}; profile {self.name} gives {stage} the image {name}, which has no "
                f"torch. Set image_of: {{{stage}: inference}} in the profile and compile again, or ask a server (engine endpoint)."
            )

    def _training_gpus(self) -> int:
        """GPUs that training has; where images are this machine's own environment and none are counted, those that it has."""
        job = self.launcher.trainjob
        if job is not None:
            return job.gpus * self.launcher.nodes
        counted = self.resources_of("train").gpus
        return counted or (_gpus_here() if self.image("train").startswith(_HERE) else 0)

    def set_of(self, task: str) -> str:
        """The dependency set of a task."""
        return self.image_of.get(task, IMAGE_OF_TASK[task])

    def image(self, task: str) -> str:
        """The image of a task."""
        return self.images[self.set_of(task)]

    def resources_of(self, stage: str) -> Resources:
        return self.resources.get(stage, Resources())


def _gpus_here() -> int:
    """GPUs that this machine's driver has made devices of, without the seconds that importing torch takes."""
    return len([*Path("/dev").glob("nvidia[0-9]*"), *Path("/dev").glob("dxg")])


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


def threads() -> int:
    """Threads a process computes with: OMP_NUM_THREADS, else 1. Two on busy cores are many times slower than one."""
    return int(os.environ.get("OMP_NUM_THREADS", "1"))
