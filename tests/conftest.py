"""Fixtures that many tests share, and two costs of others' code that no test is about."""

from __future__ import annotations

import gc
import inspect
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.tiny import save_model

pytest_plugins = ["tests.servers", "tests.vllm_servers"]


def pytest_configure() -> None:
    # KFP asks for the whole stack some fifty times a compilation, to name one caller. Under pytest, with torch imported,
    # to find every frame's lines of source costs more than the compilation: who wants them has to ask.
    inspect.stack.__defaults__ = (0,)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What the tests' modules import stays to the end: let no collection of garbage go through its million objects."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def tiny_seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model of the seed's shape: it answers nonsense, which is enough where only the machinery is tested."""
    return save_model(tmp_path_factory.mktemp("tiny-seed"))
