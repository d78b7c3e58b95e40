"""begin: the model of a judge is copied and pinned before the round opens."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet import models, rounds
from ratchet.begin import BeginOptions, begin
from ratchet.errors import ModelError
from ratchet.settings import Settings
from ratchet.store import Store, open_store
from tests.tiny import save_model
from tests.unit.loops import LOOP, new_loop


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return new_loop(tmp_path)


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings.root)


JUDGED = """
name: judged
seed: 7
prompts: {pool: 27, validation: 9, holdout: 45, report: 18}
verify: {verifiers: {name: rubric, judge: other}, judges: {other: {model: MODEL}}}
promote: {min_items: 9}
"""


def test_a_judges_model_is_copied_and_pinned_and_a_reopened_round_keeps_it(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    folder = save_model(tmp_path / "judge", seed=1)
    options = BeginOptions(loop=LOOP, recipe=JUDGED.replace("MODEL", str(folder)))
    ticket = begin("job-1", options, settings)
    pinned = rounds.read_round(store, LOOP, ticket.number).models[str(folder)]
    assert (models.fetch(store, pinned, tmp_path / "cache") / "config.json").is_file()
    save_model(folder, seed=2)
    assert begin("job-1", options, settings).number == ticket.number
    assert rounds.read_round(store, LOOP, ticket.number).models[str(folder)] == pinned


def test_a_judges_model_that_is_not_there_opens_no_round(settings: Settings, store: Store, tmp_path: Path) -> None:
    options = BeginOptions(loop=LOOP, recipe=JUDGED.replace("MODEL", str(tmp_path / "none")))
    with pytest.raises(ModelError, match=r"recipe judged works with the model .*no folder at"):
        begin("job-1", options, settings)
    assert rounds.numbers(store, LOOP) == []
