"""Every row of docs/methods.md has a test that watches its step."""

from __future__ import annotations

from tests.contract.test_methods_docs import ROWS
from tests.unit.methods import test_steps_imitated as imitated
from tests.unit.methods import test_steps_preferred as preferred
from tests.unit.methods import test_steps_reinforced as reinforced


def test_every_method_of_the_docs_is_watched_once() -> None:
    watched = [*imitated.CHECKS, *preferred.CHECKS, *reinforced.COLLECTED, *reinforced.SCRIPTED]
    assert sorted(watched) == sorted(name for _, name, *_ in ROWS)
