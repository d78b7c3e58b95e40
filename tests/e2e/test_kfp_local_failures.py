"""Rounds under kfp.local that fail, are refused or are killed whole, and what the next run makes of them."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ratchet import loop, rounds
from ratchet.errors import RoundError
from ratchet.local_run import run_rounds
from ratchet.model_files import CARD
from ratchet.registry import lease as leases
from ratchet.registry import open_registry
from ratchet.registry.looks import Looks
from ratchet.registry.promotion import history
from ratchet.settings import Settings
from ratchet.store import Store, open_store
from tests.e2e.local_rounds import LOOP, command_of, completed, environment_of, kill_at, local_run, quick
from tests.e2e.rounds import LEARNING, objects
from tests.micro import settings_in

__all__ = ["quick"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
# One process for each task is enough here.
RECIPE = LEARNING.replace("shards: 2", "shards: 1")


def test_a_stage_that_raises_fails_the_round_with_its_message_and_resume_completes_it(
    tiny_seed: Path, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path)
    loop.init_loop(settings, LOOP, str(tiny_seed))
    store = open_store(settings.root)
    run = local_run(settings, tmp_path / "runs", RECIPE)
    with card_hidden(store):
        code, log = completed(command_of(run), environment_of(run), tmp_path / "log")
    assert code == 1
    assert "train" in log.splitlines()[-1]
    end = rounds.read_end(store, LOOP, 1)
    assert end is not None
    assert end.state == "FAILED"
    assert re.match(r"train: ModelError: model local v1 has no ratchet-model.json at .*Upload it again", end.reason)
    assert set(rounds.manifests(store, LOOP, 1)) == {"generate", "verify", "filter"}
    before = objects(store, f"{rounds.round_prefix(LOOP, 1)}/")

    ends = run_rounds(run, 1, resume=True)
    assert [(e.state, e.champion) for e in ends] == [("PROMOTED", "2")]
    check_once(settings, store)
    after = objects(store, f"{rounds.round_prefix(LOOP, 1)}/")
    kept = {k: v for k, v in before.items() if re.search(r"/(generate|verify|filter)-", k)}
    assert len(kept) > 9
    assert kept.items() <= after.items()
    # What the failed run said stays on record, by its job.
    said = rounds.read_failures(store, LOOP, 1, end.job)
    assert said["train"] == end.reason.removeprefix("train: ")
    assert store.exists(f"{rounds.round_prefix(LOOP, 1)}/ends/{end.job}.json")


def test_a_begin_that_refuses_opens_no_round_and_says_why(tiny_seed: Path, tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    loop.init_loop(settings, LOOP, str(tiny_seed))
    run = local_run(settings, tmp_path / "runs", RECIPE.replace("max_steps: 12", "max_step: 12"))
    with pytest.raises(RoundError, match=r"failed at begin: .*RecipeError.*\n`ratchet resume --loop local`"):
        run_rounds(run, 1)
    assert "max_step: unknown key" in run.log(1).read_text()
    assert rounds.numbers(open_store(settings.root), LOOP) == []


def test_a_round_killed_whole_is_reopened_under_its_number_and_done_once(tiny_seed: Path, tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    loop.init_loop(settings, LOOP, str(tiny_seed))
    store = open_store(settings.root)
    run = local_run(settings, tmp_path / "runs", RECIPE)
    # Every stage is killed in tests/e2e/test_kills.py; here one kill ends the pipeline and its tasks, late enough to keep four.
    kill_at(run, store, "evaluate")
    assert rounds.numbers(store, LOOP) == [1]
    assert rounds.read_end(store, LOOP, 1) is None
    done = [store.key(m.uri) for m in rounds.manifests(store, LOOP, 1).values()]
    assert len(done) == 4
    places = tuple(f"{place}/" for place in done)
    now = objects(store, f"{rounds.round_prefix(LOOP, 1)}/")
    kept = {key: etag for key, etag in now.items() if key.startswith(places)}
    ends = run_rounds(run, 1)
    assert [(e.state, e.champion) for e in ends] == [("PROMOTED", "2")]
    assert kept.items() <= objects(store, f"{rounds.round_prefix(LOOP, 1)}/").items()
    check_once(settings, store)
    # The next run is another round, from the new champion and with another salt.
    opened = rounds.read_round(store, LOOP, 1)
    kill_at(run, store, "generate")
    assert rounds.numbers(store, LOOP) == [1, 2]
    second = rounds.read_round(store, LOOP, 2)
    assert second.seed.version == "2"
    assert second.salt != opened.salt


def check_once(settings: Settings, store: Store) -> None:
    """One round, one candidate, one look, one promotion, and the loop is free again."""
    assert rounds.numbers(store, LOOP) == [1]
    registry = open_registry(settings, store)
    assert [v.version for v in registry.versions(LOOP)] == ["1", "2"]
    assert [(m.intent.kind, m.intent.target, m.moved) for m in history(store, LOOP)] == [
        ("seed", "1", True),
        ("promotion", "2", True),
    ]
    assert Looks(store, rounds.read_round(store, LOOP, 1).family).next_number() == 2
    held = leases.read(store.sub(rounds.loop_prefix(LOOP)))
    assert held is not None
    assert held.released


@contextmanager
def card_hidden(store: Store) -> Iterator[None]:
    """Take away the card of the seed model once the round is open, since begin looks for it, and give it back."""
    (key,) = [k for k in objects(store, "models/") if k.endswith(f"/{CARD}")]
    data, ended = store.get(key), threading.Event()

    def hide() -> None:
        while not ended.wait(0.05):
            if rounds.numbers(store, LOOP):
                store.delete(key)
                return

    hiding = threading.Thread(target=hide)
    hiding.start()
    try:
        yield
    finally:
        ended.set()
        hiding.join()
        store.put(key, data)
