"""What the checks look at: the places, the loop, the recipe and the profile, read once; and what could not be read."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ratchet import recipe as recipes
from ratchet.errors import RatchetError
from ratchet.profile import HERE, Profile
from ratchet.recipe import Recipe
from ratchet.registry.base import CHAMPION
from ratchet.settings import Settings

if TYPE_CHECKING:
    from ratchet.registry import Registry
    from ratchet.store import Store


@dataclass(frozen=True)
class Machine:
    """Where the machine's own things lie. `distribution` is the package whose requirements hold here."""

    temporary: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))
    shm: Path = Path("/dev/shm")
    devices: Path = Path("/dev")
    distribution: str = "ratchet"


@dataclass(frozen=True)
class Asked:
    """What is to be checked, as it was typed. `stage` is the stage whose pod this is; `inside`: this is a pod of the cluster."""

    loop: str | None = None
    recipe: str | None = None
    profile: str | None = None
    seed: str = CHAMPION
    stage: str = "begin"
    inside: bool = False


@dataclass(frozen=True)
class Context:
    """`problems` by what could not be read (settings, recipe, profile). `beginning`: begin asks, and sees to the rest itself."""

    asked: Asked = Asked()
    settings: Settings | None = None
    recipe: Recipe | None = None
    profile: Profile | None = None
    beginning: bool = False
    version: str | None = None
    machine: Machine = Machine()
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    problems: Mapping[str, RatchetError] = field(default_factory=dict)

    @classmethod
    def gathered(cls, asked: Asked, machine: Machine | None = None) -> Context:
        """Read all that was named; what cannot be read becomes a problem that a check tells."""
        problems: dict[str, RatchetError] = {}
        settings = profile = recipe = None
        try:
            settings = Settings.from_environment()
        except RatchetError as error:
            problems["settings"] = error
        try:
            profile = Profile.load(asked.profile or (settings.profile if settings else None))
        except RatchetError as error:
            problems["profile"] = error
        try:
            recipe = recipes.load(asked.recipe) if asked.recipe is not None else None
        except RatchetError as error:
            problems["recipe"] = error
        return cls(asked, settings, recipe, profile, machine=machine or Machine(), problems=problems)

    @property
    def where(self) -> Profile:
        """The profile, of checks that need one."""
        assert self.profile is not None
        return self.profile

    @property
    def wanted(self) -> Recipe:
        """The recipe, of checks that need one."""
        assert self.recipe is not None
        return self.recipe

    @property
    def loop(self) -> str:
        """The loop's name, of checks that need one."""
        assert self.asked.loop is not None
        return self.asked.loop

    @property
    def places(self) -> Settings:
        """Store and registry, of checks that need them."""
        assert self.settings is not None
        return self.settings

    @property
    def on_cluster(self) -> bool:
        """Whether rounds of this profile run as pods: some image is another's than this machine's environment."""
        if self.profile is None:
            return self.asked.inside
        job = self.profile.launcher.kind == "trainjob"
        return self.asked.inside or job or any(not image.startswith(HERE) for image in self.profile.images.values())

    @cached_property
    def store(self) -> Store:
        from ratchet.store import open_store

        return open_store(self.places.root)

    @cached_property
    def registry(self) -> Registry:
        from ratchet.registry import open_registry

        return open_registry(self.places, self.store)

    @cached_property
    def s3_endpoint(self) -> str:
        """Where the store's server is, as boto3 finds it."""
        from ratchet.store.s3_client import make_client

        return make_client().meta.endpoint_url
