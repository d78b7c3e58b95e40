"""Images: pinned by digest, unless somebody says that tags are meant."""

from __future__ import annotations

import pytest

from ratchet.errors import RecipeError
from ratchet.profile import Profile, loading

PINNED = {name: f"r.example:5000/team/{name}@sha256:{'a' * 64}" for name in ("core", "inference", "training")}


@pytest.mark.parametrize("image", ["r.example/core", "r.example/core:1.2", "core:latest", "r.example/core@sha256:12"])
def test_an_image_without_a_whole_digest_is_refused(image: str) -> None:
    profile = Profile(name="cluster", images=PINNED).with_images({"core": image})
    with pytest.raises(RecipeError, match=r"cluster has .* for core.*--image core=REGISTRY/ratchet-core@sha256:DIGEST"):
        profile.check_images()


def test_the_refusal_of_a_tag_says_why_and_how_to_mean_it() -> None:
    profile = Profile(images=PINNED | {"core": "r.example/core:1.2"})
    with pytest.raises(
        RecipeError, match=r"A tag may be moved: .*imagetools inspect r\.example/core:1\.2.*--allow-tags"
    ):
        profile.check_images()
    profile.check_images(allow_tags=True)


def test_pinned_images_and_this_machines_own_environment_are_taken() -> None:
    Profile(images=PINNED).check_images()
    Profile(images=PINNED | {"core": f"r.example/core:1.2@sha256:{'b' * 64}"}).check_images()
    Profile().check_images()
    assert Profile().here
    assert not Profile(images=PINNED).here


@pytest.mark.parametrize("image", ["REGISTRY/core:1", "r.example/Core:1", "https://r.example/core", "core core", ""])
def test_what_is_no_images_name_is_refused_even_where_tags_are_meant(image: str) -> None:
    with pytest.raises(RecipeError, match="is no image's name"):
        Profile(images=PINNED | {"core": image}).check_images(allow_tags=True)


def test_an_image_that_only_holds_a_place_is_refused_even_where_tags_are_meant() -> None:
    for name in loading.names():
        profile = Profile.load(name)
        if profile.here:
            continue
        with pytest.raises(RecipeError, match=r"only holds a place\. Set images\.core"):
            profile.check_images(allow_tags=True)
        profile.with_images(PINNED).check_images()


def test_a_missing_image_and_an_unknown_one_are_named() -> None:
    with pytest.raises(RecipeError, match="has no image core; images has inference, training"):
        Profile(images={name: PINNED[name] for name in ("inference", "training")}).check_images()
    with pytest.raises(RecipeError, match="profile local has no image gpu; images has core, inference, training"):
        Profile().with_images({"gpu": "x"})


def test_the_shipped_local_profile_is_the_built_in_one() -> None:
    assert Profile.load("local").model_copy(update={"description": ""}) == Profile()
    assert {Profile.load(name).name for name in loading.names()} == {*loading.names()}
    assert all(Profile.load(name).description for name in loading.names())
