"""Images: which a cluster can pull, and which is the same tomorrow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ratchet.errors import RecipeError
from ratchet.profile.tasks import HERE, IMAGE_OF_TASK

if TYPE_CHECKING:
    from ratchet.profile.profile import Profile

_HOST = r"[a-z0-9][-a-z0-9.]*(:\d+)?"
_PART = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_IMAGE = re.compile(rf"({_HOST}/)?{_PART}(/{_PART})*(:[A-Za-z0-9_][-A-Za-z0-9_.]{{0,127}})?(@sha256:[0-9a-f]{{64}})?")
_PINNED = re.compile(r"@sha256:[0-9a-f]{64}$")
PLACEHOLDER = "registry.example/"
"""Where the shipped profiles' images would come from: a name that no registry can have."""


def check(profile: Profile, allow_tags: bool) -> None:
    """Raise RecipeError unless every task's image is there and pinned by digest. This machine's own environment has no digest."""
    for name in sorted({profile.set_of(task) for task in IMAGE_OF_TASK}):
        if name not in profile.images:
            raise RecipeError(
                f"profile {profile.name} has no image {name}; images has {', '.join(profile.images) or 'none'}. "
                f"Set images.{name}, or give --image {name}=REF."
            )
        _check(profile.name, name, profile.images[name], allow_tags)


def _check(profile: str, name: str, image: str, allow_tags: bool) -> None:
    how = f"Set images.{name} in the profile, or give --image {name}=REGISTRY/ratchet-{name}@sha256:DIGEST"
    if image.startswith(HERE):
        return
    if image.startswith(PLACEHOLDER):
        raise RecipeError(f"profile {profile} has {image} for {name}, which only holds a place. {how}.")
    if not _IMAGE.fullmatch(image):
        raise RecipeError(f"profile {profile} has {image!r} for {name}, which is no image's name. {how}.")
    if not allow_tags and not _PINNED.search(image):
        raise RecipeError(
            f"profile {profile} has {image} for {name}, without a digest. A tag may be moved: two tries of one task, or two rounds of a "
            f"loop, would run other code while the lineage says that it is the same. {how} (`docker buildx imagetools inspect {image}` "
            "shows it), or pass --allow-tags where that is meant, as in development."
        )


def replaced(profile: Profile, given: Mapping[str, str]) -> Profile:
    """The profile with other images. Raises RecipeError for a set that it does not have."""
    unknown = sorted(given.keys() - profile.images.keys())
    if unknown:
        raise RecipeError(
            f"profile {profile.name} has no image {unknown[0]}; images has {', '.join(profile.images)}. Mend --image."
        )
    return profile.model_copy(update={"images": {**profile.images, **given}})
