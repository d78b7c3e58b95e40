"""The custom resource definitions of a real cluster, for the fake one. They lie beside the checkout, not in it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

CRDS = Path(__file__).resolve().parents[2] / "shared" / "crds"
needs_crds = pytest.mark.skipif(not CRDS.is_dir(), reason="needs ../shared/crds")


@cache
def crd(name: str) -> dict[str, Any]:
    """A definition by its file's name."""
    with (CRDS / f"{name}.yaml").open() as file:
        loaded: dict[str, Any] = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return loaded
