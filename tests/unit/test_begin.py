"""begin: one seed, one round, one lease; what it reopens, what it closes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

import ratchet
from ratchet import rounds
from ratchet.begin import BeginOptions, begin
from ratchet.errors import (
    LeaseHeld,
    PromptSetError,
    RecipeError,
    RegistryError,
    RegistryUnavailable,
    RoundError,
    RoundStopped,
)
from ratchet.finish import finish
from ratchet.promptset import find
from ratchet.registry import lease as leases
from ratchet.registry import open_registry
from ratchet.registry.promotion import history
from ratchet.settings import Settings
from ratchet.store import Store, open_store
from tests.unit.loops import LOOP, OTHER_RECIPE, RECIPE, leave, leave_all, new_loop, opened, promoted


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return new_loop(tmp_path)


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings.root)


def held(store: Store) -> leases.LeaseState:
    state = leases.read(store.sub(rounds.loop_prefix(LOOP)))
    assert state is not None
    return state


def test_a_round_is_opened_with_its_seed_its_prompts_and_the_lease(settings: Settings, store: Store) -> None:
    ticket = opened(settings)
    assert (ticket.number, ticket.job, ticket.epoch) == (1, "job-1", 1)
    first = rounds.read_round(store, LOOP, 1)
    assert (first.seed.name, first.seed.version) == (LOOP, "1")
    for digest, splits in ((first.prompts, {"pool", "validation", "holdout"}), (first.report, {"report"})):
        made = find(store, digest)
        assert made is not None
        assert set(made.parts) == splits
    assert (held(store).holder, held(store).released) == ("job-1", False)
    assert rounds.read_run(store, LOOP, "job-1") == ticket


def test_the_same_run_may_begin_again(settings: Settings, store: Store) -> None:
    assert opened(settings) == opened(settings)
    assert rounds.numbers(store, LOOP) == [1]


def test_a_second_run_is_told_who_holds_the_loop(settings: Settings, store: Store) -> None:
    opened(settings)
    with pytest.raises(LeaseHeld, match=r"held by 'job-1' \(epoch 1\)"):
        opened(settings, "job-2")
    assert rounds.read_run(store, LOOP, "job-2") is None


def test_an_unfinished_round_is_reopened_for_the_same_seed_and_recipe(settings: Settings, store: Store) -> None:
    opened(settings)
    finish("job-1", LOOP, settings)
    first = rounds.read_round(store, LOOP, 1)
    # FAILED is an end: only `resume` goes back to it.
    assert opened(settings, "job-2", resume=True).number == 1
    assert rounds.read_round(store, LOOP, 1) == first
    assert rounds.read_end(store, LOOP, 1) is None
    finish("job-2", LOOP, settings)
    assert opened(settings, "job-3").number == 2


def test_a_killed_round_is_reopened_without_asking(settings: Settings, store: Store) -> None:
    ticket = opened(settings)
    leases.Lease(store.sub(rounds.loop_prefix(LOOP)), ticket.job, ticket.epoch, 60).release()
    again = opened(settings, "job-2")
    assert (again.number, again.epoch) == (1, 2)


def test_another_recipe_closes_the_unfinished_round_and_opens_one_with_another_salt(
    settings: Settings, store: Store
) -> None:
    ticket = opened(settings)
    leases.Lease(store.sub(rounds.loop_prefix(LOOP)), ticket.job, ticket.epoch, 60).release()
    assert opened(settings, "job-2", OTHER_RECIPE).number == 2
    end = rounds.read_end(store, LOOP, 1)
    assert end is not None
    assert end.state == "FAILED"
    assert "closed by the next begin" in end.reason
    one, two = (rounds.read_round(store, LOOP, n) for n in (1, 2))
    assert one.salt != two.salt
    assert one.prompts != two.prompts
    assert one.report == two.report


@pytest.mark.parametrize("recipe", [RECIPE, RECIPE.replace("seed: 7, ", "")])
def test_no_two_rounds_share_a_salt(settings: Settings, store: Store, recipe: str) -> None:
    for number in range(1, 6):
        ticket = opened(settings, f"job-{number}", recipe)
        finish(ticket.job, LOOP, settings)
    salts = {rounds.read_round(store, LOOP, n).salt for n in rounds.numbers(store, LOOP)}
    assert len(salts) == 5


def test_salts_are_repeatable_for_a_recipe_with_a_seed_only(tmp_path: Path) -> None:
    salts = []
    for folder in ("a", "b"):
        settings = new_loop(tmp_path / folder)
        opened(settings)
        salts.append(rounds.read_round(open_store(settings.root), LOOP, 1).salt)
    assert salts[0] == salts[1]
    other = new_loop(tmp_path / "c")
    opened(other, recipe=RECIPE.replace("seed: 7, ", ""))
    assert rounds.read_round(open_store(other.root), LOOP, 1).salt not in salts


@pytest.mark.parametrize("recipe", [RECIPE, OTHER_RECIPE])
def test_a_round_killed_before_finish_keeps_the_end_that_promote_gave_it(
    settings: Settings, store: Store, recipe: str
) -> None:
    ticket = opened(settings)
    promoted(settings, ticket)
    leave_all(store, ticket, "PROMOTED")
    leases.Lease(store.sub(rounds.loop_prefix(LOOP)), ticket.job, ticket.epoch, 60).release()
    again = opened(settings, "job-2", recipe)
    if recipe == RECIPE:
        assert again.number == 1
        assert finish("job-2", LOOP, settings).state == "PROMOTED"
    else:
        assert again.number == 2
    end = rounds.read_end(store, LOOP, 1)
    assert end is not None
    assert (end.state, end.champion) == ("PROMOTED", "2")


@pytest.mark.parametrize("recipe", [RECIPE, OTHER_RECIPE])
def test_a_round_that_moved_the_alias_and_no_more_is_not_called_failed(
    settings: Settings, store: Store, recipe: str
) -> None:
    ticket = opened(settings)
    leave_all(store, ticket, but=("promote",))
    promoted(settings, ticket)
    leases.Lease(store.sub(rounds.loop_prefix(LOOP)), ticket.job, ticket.epoch, 60).release()
    again = opened(settings, "job-2", recipe)
    end = rounds.read_end(store, LOOP, 1)
    if recipe == RECIPE:
        assert (again.number, end) == (1, None)
    else:
        assert end is not None
        assert (again.number, end.state, end.champion) == (2, "PROMOTED", "2")


def test_a_loop_without_champion_says_how_to_get_one_and_stays_free(tmp_path: Path) -> None:
    settings = Settings(root=str(tmp_path), registry="store")
    with pytest.raises(RoundError, match=r"loop mine has no champion .*`ratchet init --loop mine --seed MODEL`"):
        opened(settings)
    assert held(open_store(settings.root)).released


def test_a_begin_that_fails_lets_the_next_run_in(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(
            "ratchet.begin.stage.prompts.draw", lambda *_: (_ for _ in ()).throw(RegistryUnavailable("away"))
        )
        with pytest.raises(RegistryUnavailable):
            opened(settings)
    assert opened(settings, "job-2").number == 1


def test_a_version_can_be_named_as_seed(settings: Settings, store: Store) -> None:
    assert opened(settings, seed="1").number == 1
    with pytest.raises(RegistryError, match="9"):
        begin("job-1", BeginOptions(loop=LOOP, recipe=RECIPE, seed="9"), settings)


def test_what_cannot_run_is_refused_before_the_lease_is_taken(settings: Settings, store: Store) -> None:
    with pytest.raises(RecipeError, match="profile p allows dpo"):
        opened(settings, profile="{name: p, methods: [dpo]}")
    with pytest.raises(RoundError, match=r"compiled by ratchet 0\.0\.1, the image holds ratchet"):
        opened(settings, body_version="0.0.1")
    assert leases.read(store.sub(rounds.loop_prefix(LOOP))) is None
    assert opened(settings, body_version=ratchet.__version__).number == 1


def test_a_move_made_by_a_person_is_on_record_before_the_round_opens(settings: Settings, store: Store) -> None:
    ticket = opened(settings)
    promoted(settings, ticket)
    finish(ticket.job, LOOP, settings)
    open_registry(settings, store).set_champion(LOOP, "1", expected="2")
    again = opened(settings, "job-2")
    assert rounds.read_round(store, LOOP, again.number).seed.version == "1"
    assert history(store, LOOP)[-1].intent.kind == "outside"


def test_a_begin_that_was_killed_early_is_completed(settings: Settings, store: Store) -> None:
    ticket = opened(settings)
    first = rounds.read_round(store, LOOP, 1)
    prompts = find(store, first.prompts)
    assert prompts is not None
    store.delete(f"prompts/{first.prompts[:32]}/set.json")
    store.delete(rounds.run_key(LOOP, ticket.job))
    assert opened(settings) == ticket
    assert find(store, first.prompts) == prompts
    leave(store, ticket, "generate")


def test_a_begin_that_fails_after_it_opened_the_round_says_so_until_it_goes_well(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as broken:
        broken.setattr("ratchet.begin.stage.prompts.draw", fail)
        with pytest.raises(OSError, match="no space left"):
            opened(settings)
    assert finish("job-1", LOOP, settings).reason == "begin: OSError: no space left"
    opened(settings, resume=True)
    assert finish("job-1", LOOP, settings).reason.startswith("generate: it left no manifest")


def test_a_skill_that_the_world_does_not_have_opens_no_round(settings: Settings, store: Store) -> None:
    with pytest.raises(PromptSetError, match="skill 'existence' is not one of the tiny world's: use count, exist"):
        opened(settings, recipe="{name: a, prompts: {skills: [existence]}}")
    assert rounds.numbers(store, LOOP) == []


@pytest.mark.parametrize("recipe", [RECIPE, OTHER_RECIPE])
@pytest.mark.parametrize("resume", [False, True])
def test_after_a_round_that_was_stopped_a_new_one_opens(
    settings: Settings, store: Store, recipe: str, resume: bool
) -> None:
    ticket = opened(settings)
    rounds.write_failure(store, ticket, "filter", RoundStopped("alarm entropy: fell"))
    assert finish(ticket.job, LOOP, settings).state == "STOPPED"
    assert opened(settings, "job-2", recipe, resume=resume).number == 2
    end = rounds.read_end(store, LOOP, 1)
    assert end is not None
    assert end.state == "STOPPED"


@pytest.mark.parametrize("recipe", [RECIPE, OTHER_RECIPE])
def test_a_run_killed_between_its_stop_and_finish_leaves_a_round_that_can_be_stopped_again(
    settings: Settings, store: Store, recipe: str
) -> None:
    ticket = opened(settings)
    leave(store, ticket, "generate")
    leave(store, ticket, "verify")
    rounds.write_failure(store, ticket, "filter", RoundStopped("alarm entropy: fell"))
    leases.Lease(store.sub(rounds.loop_prefix(LOOP)), ticket.job, ticket.epoch, 60).release()
    again = opened(settings, "job-2", recipe)
    end = rounds.read_end(store, LOOP, 1)
    if recipe == RECIPE:
        # Filter runs again and meets the same alarm.
        assert (again.number, end) == (1, None)
    else:
        assert end is not None
        assert (again.number, end.state, end.reason) == (2, "STOPPED", "filter: alarm entropy: fell")
