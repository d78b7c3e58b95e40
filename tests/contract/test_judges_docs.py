"""docs/judges.md against the code: every judged verifier has a row, each row's recipe asks it, and the example is valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ratchet import recipe as recipes
from ratchet.verify.judged import JUDGED_BUILDERS
from ratchet.verify.judges.prompts import LONGEST

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "judges.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| [^|]+ \| `(\w+)` \| [^|]+ \| (?:`([\w-]+)`)? *\|$", TEXT, re.M)


def test_the_table_names_every_verifier_that_asks_a_judge() -> None:
    assert {name for name, _ in ROWS} == set(JUDGED_BUILDERS)
    assert len(ROWS) == len(JUDGED_BUILDERS)


@pytest.mark.parametrize(("verifier", "name"), [row for row in ROWS if row[1]])
def test_a_rows_recipe_asks_its_verifier(verifier: str, name: str) -> None:
    assert verifier in {one.name for one in recipes.load(name).verify.chosen}


def test_the_example_is_a_valid_recipe() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.S)
    loaded = recipes.load(block).verify
    assert [one.called for one in loaded.chosen] == ["prompt", "rubric", "grounded"]
    assert loaded.judges["critic"].price_out == 1.6


def test_the_limit_that_the_text_names_is_the_codes() -> None:
    assert f"{LONGEST:,} characters" in TEXT
