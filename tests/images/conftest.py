"""What `make test-images` has built. These tests are not for an environment that has no images, so they don't run by themselves."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def built() -> dict[str, dict[str, Any]]:
    """Facts of the images by name: name, bytes, layers."""
    file = os.environ.get("RATCHET_IMAGES")
    if not file:
        pytest.skip("RATCHET_IMAGES does not name the images' facts: run `make test-images`, which builds them")
    found: dict[str, dict[str, Any]] = json.loads(Path(file).read_text())
    return found


@pytest.fixture(scope="session")
def profile_text(built: dict[str, dict[str, Any]]) -> str:
    """A profile with these images, as YAML's subset JSON. One retry, as the default."""
    names = {name: built[name]["name"] for name in ("core", "inference", "training")}
    return json.dumps({"name": "images", "images": names, "retries": 1})
