"""Kubeflow Pipelines is one of the servers whose certificates are looked at."""

from __future__ import annotations

from typing import Any

import pytest

from ratchet.preflight import Asked, Context
from ratchet.preflight.places import servers
from ratchet.profile import Profile
from ratchet.settings import Settings

IMAGES: dict[str, Any] = {name: f"r/{name}@sha256:{'0' * 64}" for name in ("core", "inference", "training")}


@pytest.mark.parametrize(("images", "asked"), [(IMAGES, True), (None, False)])
def test_pipelines_is_asked_where_the_profile_is_of_a_cluster(images: dict[str, str] | None, asked: bool) -> None:
    profile = Profile.model_validate({"api": "https://kfp.example.org", **({"images": images} if images else {})})
    context = Context(Asked(), Settings(root="s3://b/x", registry="https://mlflow.example"), None, profile)
    found = [(one.what, one.url) for one in servers(context)]
    assert (("Kubeflow Pipelines", "https://kfp.example.org") in found) == asked
