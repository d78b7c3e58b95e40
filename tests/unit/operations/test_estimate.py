"""An estimate rests on the loop's own past rounds, says on how many, and makes nothing up."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet import recipe as recipes
from ratchet import rounds
from ratchet.finish import finish
from ratchet.operations.estimate import Range, estimate
from ratchet.operations.prices import cpus_of, price_of_hour
from ratchet.profile import Profile
from ratchet.settings import Settings
from ratchet.store import open_store
from tests.unit.loops import LOOP, RECIPE, leave_all, new_loop, opened
from tests.unit.test_usage import took

GPUS = "{name: gpus, resources: {generate: {gpus: 2, cpu: '4'}, train: {gpus: 1}}, prices: {gpu_hour: 3.0, cpu_hour: 0.5, currency: EUR}}"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return new_loop(tmp_path)


def had(settings: Settings, job: str, generate: float, recipe: str = RECIPE) -> None:
    """A round whose generate took so many seconds, and every other stage what its artifact says: 1.5."""
    store = open_store(settings.root)
    ticket = opened(settings, job, recipe)
    took(store, ticket, "generate", generate / 3600)
    leave_all(store, ticket)
    finish(job, LOOP, settings)


def test_without_past_rounds_nothing_is_said_but_what_is_asked(settings: Settings) -> None:
    found = estimate(open_store(settings.root), LOOP, recipes.load(RECIPE), Profile())
    assert (found.rounds, found.hours, found.price) == (0, None, None)
    assert all(one.seconds is None for one in found.stages)
    assert found.asks == {"prompts": 2, "completions": 16, "train_passes": 6, "holdout_items": 2}
    assert "its time and price are not known" in found.words()[-1]


def test_past_rounds_give_a_range_of_seconds_hours_and_price(settings: Settings) -> None:
    for job, seconds in (("a", 3600.0), ("b", 7200.0), ("c", 10800.0)):
        had(settings, job, seconds)
    found = estimate(open_store(settings.root), LOOP, recipes.load(RECIPE), Profile.load(GPUS))
    stages = {one.stage: one for one in found.stages}
    assert (found.rounds, found.alike, found.device, found.currency) == (3, 3, "nvidia.com/gpu", "EUR")
    assert stages["generate"].hours == Range(low=2, middle=4, high=6)
    assert stages["generate"].price == Range(low=8, middle=16, high=24)
    assert (stages["train"].rounds, stages["train"].seconds) == (3, Range(low=1.5, middle=1.5, high=1.5))
    assert stages["verify"].devices == 0
    assert found.hours is not None
    assert found.hours.low == pytest.approx(2 + 1.5 / 3600)
    assert found.price is not None
    assert found.price.high > 24


def test_what_a_stage_took_grows_with_what_it_has_to_do(settings: Settings) -> None:
    had(settings, "a", 3600.0)
    double = recipes.load(RECIPE.replace("pool: 2", "pool: 4"))
    found = estimate(open_store(settings.root), LOOP, double, Profile())
    assert (found.rounds, found.alike) == (1, 0)
    assert found.stages[0].seconds == Range(low=7200, middle=7200, high=7200)
    assert next(one for one in found.stages if one.stage == "train").seconds == Range(low=3, middle=3, high=3)
    assert next(one for one in found.stages if one.stage == "evaluate").seconds == Range(low=1.5, middle=1.5, high=1.5)


def test_rounds_of_another_method_say_nothing(settings: Settings) -> None:
    had(settings, "a", 3600.0)
    like = recipes.load(RECIPE)
    other = like.model_copy(update={"train": like.train.model_copy(update={"method": "kto"})})
    assert estimate(open_store(settings.root), LOOP, other, Profile()).rounds == 0


def test_a_stage_that_no_past_round_finished_leaves_the_whole_open(settings: Settings) -> None:
    store = open_store(settings.root)
    ticket = opened(settings, "a")
    leave_all(store, ticket, but=("train", "evaluate", "promote"))
    finish("a", LOOP, settings)
    found = estimate(store, LOOP, recipes.load(RECIPE), Profile())
    assert (found.rounds, found.hours) == (1, None)
    assert {one.stage: one.rounds for one in found.stages} == {
        "generate": 1, "verify": 1, "filter": 1, "train": 0, "evaluate": 0, "promote": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("prices", "price"),
    [
        ("{gpu_hour: 3.0, cpu_hour: 0.5}", 2 * 3.0 + 4 * 0.5),
        ("{gpu_hour: 3.0}", 6.0),
        ("{cpu_hour: 0.5}", None),
        ("{}", None),
    ],
)
def test_a_price_that_is_not_known_is_not_nothing(prices: str, price: float | None) -> None:
    profile = Profile.load(
        "{name: p, resources: {generate: {gpus: 2, cpu: '4'}}, prices: PRICES}".replace("PRICES", prices)
    )
    assert price_of_hour(profile, "generate") == price
    assert price_of_hour(profile, "filter") == (None if "cpu" not in prices else 1.0)


def test_cpus_are_read_as_kubernetes_writes_them() -> None:
    assert [cpus_of(text) for text in ("4", "0.5", "500m")] == [4, 0.5, 0.5]
    assert rounds.loop_prefix("mine") == "loops/mine"


def test_a_past_round_that_cannot_be_read_is_left_out_and_told(settings: Settings) -> None:
    had(settings, "a", 3600.0)
    store = open_store(settings.root)
    store.put(f"{rounds.round_prefix(LOOP, 2)}/round.json", b"{}")
    found = estimate(store, LOOP, recipes.load(RECIPE), Profile())
    assert (found.rounds, found.unread) == (1, 1)
    assert "1 past rounds are left out" in found.words()[1]
