"""One store and the shipped seed for all micro-rounds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ratchet import models
from ratchet.store import FolderStore
from ratchet.tinyworld.seed import SEED_DIR
from tests.unit.methods.made import Made, made


@pytest.fixture(scope="package")
def round_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Made]:
    """Makes a recipe's micro-round."""
    store = FolderStore(str(tmp_path_factory.mktemp("methods")))
    seed = models.upload(store, SEED_DIR, "seed")
    return lambda name, **changes: made(store, seed, name, **changes)
