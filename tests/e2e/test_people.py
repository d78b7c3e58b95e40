"""What people can look at after real rounds: weaknesses, a comparison of versions, a card, and the queue of doubts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ratchet import loop, models, rounds
from ratchet.artifacts import ModelRef
from ratchet.begin import BeginOptions
from ratchet.begin.stage import as_ref
from ratchet.cards import card_of, keep_card
from ratchet.registry import open_registry
from ratchet.settings import Settings
from ratchet.store import open_store
from ratchet.versions import Wanted, compare
from ratchet.weakness import loops as weaknesses
from ratchet.weakness.keeping import of_round
from tests.micro import MICRO, environment, settings_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
NAME = "people"
RECIPE = MICRO.replace("evaluate: {", "evaluate: {weakness: true, ").replace(
    "generate: {", "generate: {prompts: 9, weakness: {source: last}, "
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp("people")
    found = settings_in(folder)
    with environment(OMP_NUM_THREADS="1", RATCHET_CACHE=str(folder / "cache")):
        loop.init_loop(found, NAME, "tinyworld")
        for _ in range(2):
            loop.run_in_process(found, BeginOptions(loop=NAME, recipe=RECIPE))
        yield found


def test_the_second_round_weighs_by_the_report_of_the_first(settings: Settings) -> None:
    store = open_store(settings.root)
    first, second = (rounds.manifests(store, NAME, number)["generate"].results for number in (1, 2))
    assert [one["asked"] for one in first["probes"]] == [9]
    assert "probes" not in second
    assert second["reported"] == 9
    seed = rounds.read_round(store, NAME, 2).seed
    assert {one.model.digest for one in of_round(store, NAME, 1)} > {seed.digest}


def test_the_champions_weaknesses_are_in_the_rounds_artifacts(settings: Settings) -> None:
    found = weaknesses.of_loop(settings, weaknesses.Wanted(NAME))
    assert (found.split, found.asked, found.overall.n) == ("validation", 9, 9)
    again = weaknesses.of_loop(settings, weaknesses.Wanted(NAME, measure=True))
    assert again.overall == found.overall, "asked again it is the same"


def test_versions_are_compared_as_stored_or_on_validation(settings: Settings) -> None:
    found = compare(settings, Wanted("1", "2", NAME))
    assert (found.stored, found.lines[0].n, sum(found.counts.values()) + found.unscored) == (True, 45, 45)
    # Every round of the tiny world draws a holdout of its own.
    other = compare(settings, Wanted("2", "3", NAME))
    assert (other.stored, other.split, other.lines[0].n) == (False, "validation", 9)
    assert "was measured on other items" in other.notes[0]


def test_a_card_loads_the_model_that_it_describes_and_leaves_its_digest(settings: Settings) -> None:
    store = open_store(settings.root)
    card = card_of(settings, NAME, "2")
    assert "| Accuracy |" in card
    assert "| tinyworld |" in card
    uri = keep_card(settings, NAME, "2")
    version = open_registry(settings, store).version(NAME, "2")
    assert uri.startswith(version.uri)
    code = card.partition("```python\n")[2].partition("```")[0]
    ref = next(line for line in code.splitlines() if line.startswith("ref = "))
    made = eval(ref.removeprefix("ref = "), {"ModelRef": ModelRef})
    assert made == as_ref(version)
    assert (models.fetch(store, made) / "config.json").is_file()
