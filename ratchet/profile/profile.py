"""The profile itself: its fields, what contradicts itself in them, and what they give a task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, field_validator, model_validator

from ratchet.launching import LauncherConfig
from ratchet.launching.trainjob import Label, Name, Toleration
from ratchet.profile import fitting, images, loading, variables
from ratchet.profile.quantities import NEVER, DataKey, Duration, LabelKey, Variable, seconds_of
from ratchet.profile.resources import Prices, PullPolicy, Resources, Security
from ratchet.profile.tasks import (
    HERE,
    IMAGE_OF_TASK,
    LEASE,
    LEASE_VARIABLE,
    PLACES,
    TIMEOUTS,
    WITHOUT_MODELS,
    place_of,
)
from ratchet.recipe import Recipe
from ratchet.records import Record

Variables = dict[DataKey, Variable]
"""From a key of a Secret or a ConfigMap to the variable that it becomes."""


class Profile(Record):
    """Where a round runs.

    `images` by dependency set (core, inference, training); `image_of` by task where it needs another set than most recipes do, such
    as {verify: inference} for a judge that runs in the stage; `resources`, `timeouts` and `retries` by stage.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    name: str = Field("local", min_length=1, max_length=63)
    description: str = Field("", max_length=500, description="in words, for `ratchet profile list`")
    namespace: Name = Field("kubeflow", description="in which the runs' pods lie")
    service_account: Name = Field("ratchet", description="of the runs' pods")
    experiment: str | None = Field(None, description="of KFP, for the runs; null: the loop's name")
    api: str | None = Field(
        None,
        pattern=r"^https?://[^@\s]+$",
        description="address of KFP's API; null: KFP_ENDPOINT, else the cluster's own",
    )
    images: dict[str, str] = {
        "core": f"{HERE}ratchet-core",
        "inference": f"{HERE}ratchet-inference",
        "training": f"{HERE}ratchet-training",
    }
    image_of: dict[str, str] = Field({}, description="dependency set by task, in place of the usual one")
    pull_policy: PullPolicy = "IfNotPresent"
    image_pull_secrets: tuple[Name, ...] = Field((), description="names of the secrets that images are pulled with")
    resources: dict[str, Resources] = Field({}, description="by stage; what is not named gets 2 CPUs and 4Gi")
    timeouts: dict[str, Duration] = Field(
        {}, description="most that one try of a stage may take, such as {train: 3d}; `never`: no limit"
    )
    retries: int = Field(1, ge=0, le=10, description="tries after the first, of every task")
    lease: Duration | None = Field(
        None,
        description=f"how long a run keeps its loop while none of its pods works, as they wait for a place; null: {LEASE}, and on "
        "this machine RATCHET_LEASE_SECONDS",
    )
    parallelism: int = Field(
        1, ge=1, le=256, description="shards of generate that run side by side; 1: one task makes them all"
    )
    launcher: LauncherConfig = Field(LauncherConfig(), description="where training runs")
    node_selector: dict[LabelKey, Label] = Field({}, description="labels of the nodes for every task")
    tolerations: tuple[Toleration, ...] = Field((), description="taints that every task's pod bears")
    queue: Label | None = Field(None, description="Kueue's LocalQueue for every task; null: no queue")
    labels: dict[LabelKey, Label] = Field({}, description="of every task's pod")
    annotations: dict[LabelKey, str] = Field({}, description="of every task's pod")
    security: Security = Security()
    secrets: dict[Name, Variables] = Field({}, description="name of a Secret -> {its key: variable}")
    optional_secrets: dict[Name, Variables] = Field({}, description="the same; a task starts where it is missing")
    config_maps: dict[Name, Variables] = Field({}, description="name of a ConfigMap -> {its key: variable}")
    optional_config_maps: dict[Name, Variables] = Field(
        {}, description="the same; a task starts where the map or its key is missing"
    )
    environment: dict[Variable, str] = Field({}, description="plain, public variables of every task")
    prices: Prices = Field(Prices(), description="what an hour costs, for estimates")
    engines: tuple[str, ...] = ("transformers", "vllm", "endpoint")
    methods: tuple[str, ...] = ("sft", "dpo", "kto", "grpo", "rloo")

    @field_validator("resources", "timeouts")
    @classmethod
    def _stages_exist(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            if name not in PLACES:
                raise ValueError(f"{name!r} is no stage; stages: {', '.join(PLACES)}")
        return value

    @model_validator(mode="after")
    def _sets_exist(self) -> Profile:
        for task, name in self.image_of.items():
            if task not in IMAGE_OF_TASK:
                raise ValueError(f"image_of names {task!r}, which is no task; tasks: {', '.join(IMAGE_OF_TASK)}")
            if name not in self.images:
                raise ValueError(f"image_of gives {task} the set {name!r}; images has {', '.join(self.images)}")
        return self

    @field_validator("lease")
    @classmethod
    def _ends(cls, value: str | None) -> str | None:
        if value == NEVER:
            raise ValueError(
                "a lease must end: a run that is gone would keep its loop for ever; write such as 6h or 2d"
            )
        return value

    @model_validator(mode="after")
    def _variables(self) -> Profile:
        """No variable twice, and no secret in the open."""
        variables.check_public(self.environment)
        if self.launcher.trainjob is not None:
            variables.check_public(self.launcher.trainjob.environment, "launcher.trainjob.environment")
        named = {"environment": [*self.environment], "lease": [LEASE_VARIABLE] if self.lease_seconds else []}
        for field in ("config_maps", "optional_config_maps", "secrets", "optional_secrets"):
            for name, keys in getattr(self, field).items():
                named[f"{field}.{name}"] = [*keys.values()]
        variables.check_once(named)
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
        filled = job.filled(image, self.environment, self.secrets).beside(
            self.optional_secrets, self.config_maps, self.optional_config_maps, self.image_pull_secrets
        )
        return self.launcher.model_copy(update={"trainjob": filled})

    @classmethod
    def load(cls, given: str | Path | None) -> Profile:
        """A shipped name, a YAML or JSON file, or its text; None is the built-in local profile. Raises RecipeError."""
        return loading.parse(cls, str(given)) if given else cls()

    def check(self, recipe: Recipe) -> None:
        """Raise RecipeError when the recipe needs more than this profile has."""
        fitting.check(self, recipe)

    def check_images(self, allow_tags: bool = False) -> None:
        """Raise RecipeError unless every task's image is there and pinned by digest."""
        images.check(self, allow_tags)

    def with_images(self, given: dict[str, str]) -> Profile:
        """The same with other images, by dependency set. Raises RecipeError for a set that the profile does not have."""
        return images.replaced(self, given)

    @property
    def compiled(self) -> str:
        """As JSON for the pipeline: all but the address and the place of runs in KFP, which are of the one who submits it."""
        return self.model_dump_json(exclude={"api", "experiment"}, exclude_defaults=True)

    @property
    def here(self) -> bool:
        """Whether it is of this machine: its images are this Python's environment, which no cluster can pull."""
        return any(image.startswith(HERE) for image in self.images.values())

    @property
    def lease_seconds(self) -> int | None:
        """What every task is told of the lease's length; None: what its environment says."""
        given = self.lease or (None if self.here else LEASE)
        return None if given is None else seconds_of(given)

    def set_of(self, task: str) -> str:
        """The dependency set of a task."""
        return self.image_of.get(task, IMAGE_OF_TASK[task])

    def image(self, task: str) -> str:
        """The image of a task."""
        return self.images[self.set_of(task)]

    def resources_of(self, task: str) -> Resources:
        """Of a task: its stage's, with what the profile says for all."""
        own = self.resources.get(place_of(task), Resources())
        return own.model_copy(
            update={
                "node_selector": {**self.node_selector, **own.node_selector},
                "tolerations": (*self.tolerations, *own.tolerations),
                "queue": own.queue or self.queue,
                "labels": {**self.labels, **own.labels},
                "annotations": {**self.annotations, **own.annotations},
                "prices": own.prices or (self.prices if self.prices != Prices() else None),
            }
        )

    def timeout_of(self, task: str) -> int | None:
        """Seconds that one try of a task may take; None: no limit."""
        place = place_of(task)
        return seconds_of(self.timeouts.get(place, TIMEOUTS[place]))
