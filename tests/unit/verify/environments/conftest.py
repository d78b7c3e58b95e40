"""Fixtures of the environments' tests."""

from __future__ import annotations

import pytest

from ratchet.artifacts import ImageBank
from tests.unit.verify.environments.asked import empty_bank


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> ImageBank:
    return empty_bank(tmp_path_factory.mktemp("bank"))
