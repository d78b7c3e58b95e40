"""Operations on a loop, without models: single stages, cancelling, and what `ratchet status` tells."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from ratchet import canonical, loop, recipe, rounds
from ratchet import stage as stages
from ratchet.artifacts import Manifest
from ratchet.begin import BeginOptions
from ratchet.errors import LeaseLost, RecipeError, RoundError, RoundStopped, TrainError
from ratchet.finish import finish
from ratchet.finish.stage import end_of
from ratchet.registry import lease as leases
from ratchet.settings import Settings
from ratchet.stage import STEPS, StageContext
from ratchet.status import all_loops, loop_status
from ratchet.store import Store, open_store
from tests.unit.loops import LOOP, RECIPE, ROWS, Row, decision, leave_all, new_loop, opened, promoted


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return new_loop(tmp_path)


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings.root)


def small(context: StageContext) -> Manifest:
    if context.name == failing.get("stage"):
        raise TrainError("out of memory at step 3")
    writer = context.writer(ROWS)
    writer.write(0, [Row(text=context.name)])
    return writer.commit(counts={"kept": 1}, results=decision("REFUSED") if context.name == "promote" else None)


def no_inputs(store: Store, opened_: rounds.Round) -> dict[str, str]:
    """In place of the digests of what a stage reads beside its parents."""
    return {}


failing: dict[str, str] = {}


@pytest.fixture(autouse=True)
def _small_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    failing.clear()
    monkeypatch.setattr(
        stages, "import_module", lambda name: SimpleNamespace(run=small, digests=no_inputs, sweep=lambda _: None)
    )


def test_a_round_in_this_process_runs_every_stage_in_order(settings: Settings, store: Store) -> None:
    seen: list[str] = []
    end = loop.run_in_process(settings, BeginOptions(loop=LOOP, recipe=RECIPE), watch=seen.append)
    assert seen == list(STEPS)
    assert end.state == "REFUSED"
    assert set(rounds.manifests(store, LOOP, 1)) == set(STEPS)


def test_a_stage_that_raises_ends_the_round_with_its_words_and_single_stages_complete_it(
    settings: Settings, store: Store
) -> None:
    failing["stage"] = "train"
    with pytest.raises(TrainError):
        loop.run_in_process(settings, BeginOptions(loop=LOOP, recipe=RECIPE))
    end = rounds.read_end(store, LOOP, 1)
    assert end is not None
    assert (end.state, end.reason) == ("FAILED", "train: TrainError: out of memory at step 3")
    with pytest.raises(
        RoundError, match=r"round 1 of loop mine has no evaluate yet; run `ratchet evaluate --loop mine`"
    ):
        loop.run_stage(settings, LOOP, "promote")
    failing.clear()
    for name in ("train", "evaluate", "promote"):
        loop.run_stage(settings, LOOP, name)
    assert finish(loop.ticket_of(settings, LOOP, None).job, LOOP, settings).state == "REFUSED"


def test_a_single_stage_that_is_stopped_on_purpose_ends_the_round(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(settings)
    for name in ("generate", "verify"):
        loop.run_stage(settings, LOOP, name)

    def stops(context: StageContext) -> Manifest:
        raise RoundStopped("alarm entropy: it fell")

    monkeypatch.setattr(
        stages, "import_module", lambda name: SimpleNamespace(run=stops, digests=no_inputs, sweep=lambda _: None)
    )
    with pytest.raises(RoundStopped):
        loop.run_stage(settings, LOOP, "filter")
    end = rounds.read_end(store, LOOP, 1)
    assert end is not None
    assert (end.state, end.reason) == ("STOPPED", "filter: alarm entropy: it fell")
    assert opened(settings, "job-2").number == 2


def test_a_shard_that_failed_is_named_until_it_is_mended(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = opened(settings)
    shards: dict[int, Exception] = {0: TrainError("no room"), 1: TrainError("no room either")}

    def shard(context: StageContext, number: int) -> Manifest:
        if number in shards:
            raise shards[number]
        return small(context)

    monkeypatch.setattr("ratchet.generate.stage.run_shard", shard)
    for number in (0, 1):
        with pytest.raises(TrainError):
            loop.collect(settings, LOOP, shard=number)
    both = "generate: shard 0: TrainError: no room; shard 1: TrainError: no room either"
    assert end_of(store, ticket).reason == both
    del shards[0]
    made = loop.collect(settings, LOOP, shard=0)
    # A real shard leaves its manifest in a place of its own, not in the stage's.
    store.delete(f"{store.key(made.uri)}/manifest.json")
    assert end_of(store, ticket).reason == "generate: shard 1: TrainError: no room either"


def test_a_round_whose_lease_went_elsewhere_can_still_be_completed_by_hand(settings: Settings, store: Store) -> None:
    ticket = opened(settings)
    leave_all(store, ticket, but=("promote",))
    loop.cancel(settings, LOOP, "asked for")
    assert loop.ticket_of(settings, LOOP, None).job == "job-1"
    loop.run_stage(settings, LOOP, "promote")
    now = loop.ticket_of(settings, LOOP, None)
    assert (now.job, now.epoch) == ("job-1", 3)
    assert finish("job-1", LOOP, settings).state == "REFUSED"
    state = leases.read(store.sub(rounds.loop_prefix(LOOP)))
    assert state is not None
    assert state.released


def test_cancel_ends_the_running_round_and_fences_its_run_off(settings: Settings, store: Store) -> None:
    ticket = opened(settings)
    end = loop.cancel(settings, LOOP, "wrong recipe")
    assert (end.state, end.reason) == ("FAILED", "cancelled: wrong recipe")
    with pytest.raises(LeaseLost):
        stages.run_ticket("generate", ticket, {}, settings)
    with pytest.raises(RoundError, match="loop mine has no running round"):
        loop.cancel(settings, LOOP, "again")
    assert opened(settings, "job-2").number == 2


def test_a_loop_without_rounds_says_what_opens_one(settings: Settings) -> None:
    for work in (loop.recipe_of_last, lambda s, name: loop.ticket_of(s, name, None)):
        with pytest.raises(RoundError, match=r"`ratchet run --loop mine --recipe NAME` runs one"):
            work(settings, LOOP)
    opened(settings)
    with pytest.raises(RoundError, match="loop mine has no run 'job-9'"):
        loop.ticket_of(settings, LOOP, "job-9")
    assert recipe.load(loop.recipe_of_last(settings, LOOP)) == recipe.load(RECIPE)


def test_what_cannot_run_is_said_before_anything_starts(settings: Settings) -> None:
    loop.check_ready(settings, LOOP, RECIPE, None)
    with pytest.raises(RoundError, match="loop other has no champion"):
        loop.check_ready(settings, "other", RECIPE, None)
    with pytest.raises(RecipeError, match="profile p allows dpo"):
        loop.check_ready(settings, LOOP, RECIPE, "{name: p, methods: [dpo]}")
    with pytest.raises(RoundError, match="loop name"):
        loop.check_ready(settings, "Other", RECIPE, None)


def test_two_runs_never_share_a_name() -> None:
    assert len({loop.new_job() for _ in range(100)}) == 100


def test_status_tells_champion_rounds_moves_and_who_holds_the_loop(settings: Settings, store: Store) -> None:
    ticket = opened(settings)
    promoted(settings, ticket)
    leave_all(store, ticket, "PROMOTED")
    finish(ticket.job, LOOP, settings)
    opened(settings, "job-2")
    found = canonical.loads(canonical.dumps(loop_status(settings, LOOP)))
    assert found["champion"]["version"] == "2"
    first, second = found["rounds"]
    assert (first["round"], first["state"], first["seed_version"], first["candidate_version"]) == (
        1,
        "PROMOTED",
        "1",
        "2",
    )
    assert (first["delta"], first["delta_ci"], first["kept"]) == (0.01, [-0.02, 0.04], 1)
    assert (first["stage_seconds"], set(first["artifacts"])) == (9.0, set(STEPS))
    assert (second["state"], second["seconds"], second["kept"], second["artifacts"]) == ("RUNNING", None, None, {})
    assert [(m["kind"], m["from"], m["to"], m["moved"]) for m in found["moves"]] == [
        ("seed", None, "1", True),
        ("promotion", "1", "2", True),
    ]
    assert (found["lease"]["holder"], found["lease"]["epoch"]) == ("job-2", 2)
    assert all_loops(settings) == [LOOP]
    finish("job-2", LOOP, settings)
    assert loop_status(settings, LOOP)["lease"] is None


def test_status_of_a_loop_that_is_not_there_is_empty(settings: Settings) -> None:
    found = loop_status(settings, "other")
    assert (found["champion"], found["rounds"], found["moves"], found["lease"]) == (None, [], [], None)
