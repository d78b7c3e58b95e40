"""Fixtures that many tests share, and what others' code does to a test run that no test is about."""

from __future__ import annotations

import gc
import inspect
import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.tiny import save_model

pytest_plugins = ["tests.servers", "tests.vllm_servers"]
MANY = 100
"""So many new modules are worth a whole collection."""
_kept = 0


def pytest_configure() -> None:
    # pytest imports readline, which writes a size of 80 by 24 into what xdist's workers are started with.
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
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
        _keep_modules()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_runtest_logfinish() -> None:
    """The same of what a test was the first to import: at its end every training has all garbage collected."""
    if len(sys.modules) > _kept + MANY:
        _keep_modules()


def _keep_modules() -> None:
    global _kept
    gc.collect()
    gc.freeze()
    _kept = len(sys.modules)


@pytest.fixture(scope="session")
def tiny_seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model of the seed's shape: it answers nonsense, which is enough where only the machinery is tested."""
    return save_model(tmp_path_factory.mktemp("tiny-seed"))
