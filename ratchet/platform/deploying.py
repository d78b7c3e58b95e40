"""The compiled pipeline at the API: a new version only where what was compiled has changed."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from importlib import import_module
from itertools import chain, count
from pathlib import Path
from typing import Any

import ratchet
from ratchet import canonical
from ratchet.errors import RecipeError
from ratchet.platform.pipelines import Pipelines
from ratchet.platform.places import Place
from ratchet.profile import HERE, Profile
from ratchet.records import Record

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


class Deployed(Record):
    """The newest version of a pipeline, and whether it was uploaded now."""

    pipeline: str
    pipeline_id: str
    version: str
    version_id: str
    digest: str
    new: bool


def check_images(profile: Profile, allow_tags: bool) -> None:
    """Raise RecipeError for images that a cluster cannot pull, or that may change under a loop."""
    from ratchet.profile import images

    images.check(profile, allow_tags)
    here = sorted(name for name, image in profile.images.items() if image.startswith(HERE))
    if here:
        raise RecipeError(
            f"profile {profile.name} runs in this machine's own environment (images.{here[0]} is {profile.images[here[0]]}), which no "
            "cluster has. Give --profile with the images of your registry (`ratchet profile show cpu` begins one)."
        )


def deploy(client: Pipelines, profile: Profile, *, allow_tags: bool = False) -> Deployed:
    """Compile the round for the profile, and upload it unless the newest version is the same."""
    with tempfile.TemporaryDirectory(prefix="ratchet-deploy-") as folder:
        compiler, out = import_module("ratchet.pipelines.compile"), Path(folder) / "round.yaml"
        file: Path = compiler.compile_round(profile, out, allow_tags=allow_tags)
        return deploy_file(client, Place.of(profile), file)


def deploy_file(client: Pipelines, place: Place, file: Path) -> Deployed:
    """The same for a file that is compiled already."""
    digest = canonical.sha256(file.read_bytes())
    words = f"ratchet {ratchet.__version__}, sha256:{digest}"
    pipeline, new = client.upload(file, place.pipeline, words)
    newest = client.newest_version(pipeline.pipeline_id)
    if newest is not None and digest_of(newest) == digest:
        return _deployed(place, newest, digest, new)
    name = _free_name(digest, (one.display_name for one in client.versions(pipeline.pipeline_id)))
    made, _ = client.upload_version(file, pipeline.pipeline_id, name, words)
    return _deployed(place, made, digest, True)


def digest_of(version: Any) -> str | None:
    """Of the file that a version was made of; None for one that ratchet did not upload."""
    found = _DIGEST.search(version.description or "")
    return found[1] if found is not None else None


def _free_name(digest: str, taken: Iterable[str]) -> str:
    """Names are unique, also against a version that was the newest once and is wanted again."""
    known = {*taken}
    names = chain([digest[:12]], (f"{digest[:12]}-{number}" for number in count(2)))
    return next(name for name in names if name not in known)


def _deployed(place: Place, version: Any, digest: str, new: bool) -> Deployed:
    return Deployed(
        pipeline=place.pipeline,
        pipeline_id=version.pipeline_id,
        version=version.display_name,
        version_id=version.pipeline_version_id,
        digest=digest,
        new=new,
    )
