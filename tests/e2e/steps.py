"""Rounds in this process, stage by stage, of a loop in a folder: what a test can stop, race or spoil anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ratchet import loop, rounds
from ratchet.begin import BeginOptions
from ratchet.rounds import Ticket
from ratchet.settings import Settings
from ratchet.stage import STEPS, run_ticket
from ratchet.store import open_store
from tests.e2e.rounds import LEARNING
from tests.micro import settings_in

LOOP = "races"


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("RATCHET_CACHE", str(tmp_path_factory.getbasetemp() / "races-cache"))
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture
def settings(tmp_path: Path, tiny_seed: Path) -> Settings:
    made = settings_in(tmp_path)
    loop.init_loop(made, LOOP, str(tiny_seed))
    return made


def options(recipe: str = LEARNING, name: str = LOOP, **more: Any) -> BeginOptions:
    return BeginOptions(loop=name, recipe=recipe, **more)


def step(settings: Settings, ticket: Ticket, name: str) -> Any:
    done = rounds.manifests(open_store(settings.root), ticket.loop, ticket.number)
    return run_ticket(name, ticket, {p: done[p].uri for p in STEPS[name].parents}, settings)


def steps(settings: Settings, ticket: Ticket, until: str) -> None:
    """Run the stages before `until`."""
    for name in STEPS:
        if name == until:
            return
        step(settings, ticket, name)
