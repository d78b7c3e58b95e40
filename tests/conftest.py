"""Fixtures that many tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny import save_model

pytest_plugins = ["tests.servers", "tests.vllm_servers"]


@pytest.fixture(scope="session")
def tiny_seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model of the seed's shape: it answers nonsense, which is enough where only the machinery is tested."""
    return save_model(tmp_path_factory.mktemp("tiny-seed"))
