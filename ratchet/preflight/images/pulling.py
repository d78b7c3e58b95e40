"""The check of images: each that the profile names, at its registry, with the profile's pull secrets."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from ratchet.errors import RatchetError
from ratchet.preflight.checking import Check
from ratchet.preflight.cluster.asking import Hidden, api_of, found
from ratchet.preflight.context import Context
from ratchet.preflight.finding import Finding, NotAsked, fail, ok, warn, worst
from ratchet.preflight.http import Unreachable
from ratchet.preflight.images.references import Reference, taken_apart
from ratchet.preflight.images.registry import Login, logins, manifest
from ratchet.profile import HERE
from ratchet.profile.images import PLACEHOLDER

_DATA = ".dockerconfigjson"


def images(context: Context) -> Finding:
    """That a registry has each image, gives it to us, and that it is named by digest."""
    profile = context.where
    job = profile.placed_launcher.trainjob
    named = dict.fromkeys([*profile.images.values(), *([job.image] if job is not None and job.image else [])])
    keys = _logins(context)
    return worst([_image(context, one, keys) for one in named if not one.startswith(HERE)])


def _image(context: Context, image: str, keys: dict[str, Login]) -> Finding:
    if image.startswith(PLACEHOLDER):
        return fail(f"{image} only holds a place", "Name images of yours in the profile: `make images` builds them.")
    try:
        reference = taken_apart(image)
    except ValueError as error:
        return fail(str(error), "Correct the image in the profile.")
    login = keys.get(reference.host)
    try:
        reply = manifest(reference, login, context.environment.get("SSL_CERT_FILE"))
    except Unreachable as error:
        # Nodes pull by their own network and trust, so this proves nothing of them.
        return warn(
            f"{reference.host} cannot be asked from here: {error}",
            f"Try it from a node: `kubectl run try --image {image} --restart Never`.",
        )
    return _judged(image, reference, login, reply.status, reply.headers.get("docker-content-digest"))


def _judged(image: str, reference: Reference, login: Login | None, status: int, digest: str | None) -> Finding:
    if status in (401, 403):
        with_what = f"with the login of {login.name}" if login is not None else "without a login"
        return fail(
            f"{image}: HTTP {status} {with_what}",
            f"Name a secret of type kubernetes.io/dockerconfigjson with a login for {reference.host} in image_pull_secrets.",
        )
    if status == 404:
        return fail(f"{image} is not at {reference.host}", "Push it (`make images`), or correct the profile.")
    if status != 200:
        return warn(f"{image}: {reference.host} answers HTTP {status}", "Ask again later; see the registry's status.")
    if reference.digest is not None and digest is not None and digest != reference.digest:
        return fail(
            f"{image}: {reference.host} gives {digest}", "The registry is not to be trusted: pull from another."
        )
    if reference.digest is None:
        pinned = f"{image.partition('@')[0].rpartition(':')[0] or image}@{digest or 'sha256:DIGEST'}"
        return warn(f"{image} is named by a tag, which may move between rounds", f"Name {pinned} in the profile.")
    return ok(f"{reference.repository}@{reference.digest[7:19]} is at {reference.host}")


def _logins(context: Context) -> dict[str, Login]:
    """Of the profile's pull secrets where they can be read, else of this user's Docker configuration."""
    keys: dict[str, Login] = {}
    for config in (_own(context), *_of_secrets(context)):
        try:
            keys |= logins(config)
        except (ValueError, AttributeError):
            continue
    return keys


def _of_secrets(context: Context) -> list[bytes]:
    names = context.where.image_pull_secrets
    if not names:
        return []
    try:
        api = api_of(context)
        there = [found(api, f"/api/v1/namespaces/{api.namespace}/secrets/{name}") for name in names]
    except (Hidden, NotAsked, RatchetError):
        # The check secrets tells that.
        return []
    return [base64.b64decode(one["data"][_DATA]) for one in there if one is not None and _DATA in one.get("data", {})]


def _own(context: Context) -> bytes:
    folder = context.environment.get("DOCKER_CONFIG") or os.path.join(context.environment.get("HOME", "/"), ".docker")
    try:
        return (Path(folder) / "config.json").read_bytes()
    except OSError:
        return b"{}"


CHECKS = (
    Check(
        "images",
        "images are at their registries, ours to pull, and named by digest",
        images,
        ("profile", "cluster"),
        imports=("kubernetes.client", "kubernetes.config"),
        limit=60.0,
    ),
)
