"""The study of majority votes, at the size of a test: what it shows is what the rounds left."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet import recipe
from ratchet.recipe import Recipe
from ratchet.tinyworld import collapse
from tests.micro import environment

VOTING = """
name: voting
seed: 7
prompts: {pool: 27, validation: 9, holdout: 45, report: 18}
generate: {k: 4, max_new_tokens: 12, rows_per_file: 9, batch_size: 64}
verify: {verifiers: {name: majority, floor: 0.3, min_precision: 1.0}}
train: {max_steps: 3, batch_size: 8}
evaluate: {max_new_tokens: 12, pass_at_k: null}
promote: {min_items: 9}
alarms: {min_prompts: 5, precision: {below: 0.999, action: stop}, length: null}
"""


def test_without_guard_every_threshold_stays_and_nothing_stops() -> None:
    free = collapse.unguarded(recipe.load(VOTING))
    assert free.alarms.precision is not None
    assert (free.alarms.precision.below, free.alarms.precision.action, free.alarms.length) == (0.999, "warn", None)
    assert [getattr(one, "min_precision", None) for one in free.verify.chosen] == [None]
    assert free.generate == recipe.load(VOTING).generate


def test_the_shipped_recipe_stops_and_its_other_seeds_differ_in_nothing_else() -> None:
    shipped = recipe.load("majority")
    other = collapse.seeded(shipped, 2)
    assert other.model_copy(update={"seed": shipped.seed}) == shipped
    stops = [
        name for name, one in shipped.alarms.model_dump().items() if isinstance(one, dict) and one["action"] == "stop"
    ]
    assert "precision" in stops
    assert "amplified" in stops


def test_tables_are_markdown_of_one_width() -> None:
    text = collapse.guard_table([collapse.Guarded(1, 3, 1, "alarm precision: low"), collapse.Guarded(2, 3)])
    assert text.splitlines()[2:] == ["| 1 | 1 | alarm precision: low |", "| 2 | not in 3 |  |"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_guard_stops_a_small_loop_that_goes_on_without_it(tmp_path: Path) -> None:
    wanted: Recipe = recipe.load(VOTING)
    with environment(OMP_NUM_THREADS="1", RATCHET_CACHE=str(tmp_path / "cache")):
        guarded = collapse.with_guard(tmp_path / "on", wanted, 2)
        lines = collapse.without_guard(tmp_path / "off", wanted, 2)
    assert (guarded.seed, guarded.stopped) == (7, 1)
    assert "alarm precision" in guarded.words
    assert [line.number for line in lines] == [1, 2]
    for line in lines:
        assert "precision" in line.alarms
        assert line.seen.vitals is not None
        assert 0 < line.kept <= 27
        assert 0 <= line.kept_right <= 1
        assert line.total[1] <= line.total[0] <= line.total[2]
    assert len({len(row.split("|")) for row in collapse.table(lines).splitlines()}) == 1
