"""The tables of docs/people.md against the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from typer.main import get_command

from ratchet import recipe
from ratchet.cli.app import app
from ratchet.cli.versions import On
from ratchet.review.doubts import NEAR, PRECISE, Why
from ratchet.versions.comparing import On as Where
from ratchet.weakness.kinds import KINDS
from ratchet.weakness.report import LONGEST

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "people.md").read_text(encoding="utf-8")
COMMANDS = get_command(app).commands  # type: ignore[attr-defined]


def options(name: str) -> set[str]:
    return {option for parameter in COMMANDS[name].params for option in parameter.opts}


def test_the_commands_are_those_of_the_people_panel() -> None:
    table = re.findall(r"^\| `ratchet (\w+)` \|", TEXT, re.M)
    assert set(table) == {name for name, one in COMMANDS.items() if one.rich_help_panel == "People"}  # type: ignore[attr-defined]
    for name in ("weakness", "review", "compare"):
        assert "--json" in options(name)
    for name in ("weakness", "compare"):
        assert "--html" in options(name)
    assert {"--embedded"} <= set.intersection(*(options(name) for name in table))


def test_every_kind_of_question_has_its_row() -> None:
    section = TEXT.partition("| kind |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| ([a-z ]+?) \|", section, re.M)) == set(KINDS)


def test_every_sort_of_doubt_has_its_row_and_its_numbers() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \| (?:pool|holdout) \|$", TEXT, re.M))
    assert set(rows) == set(get_args(Why))
    assert f"within {NEAR:g} of" in rows["threshold"]
    assert f"`--precise` ({PRECISE:g})" in rows["imprecise"]


def test_every_place_to_compare_on_has_its_row() -> None:
    section = TEXT.partition("| `--on` |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.M) == [one.value for one in On] == list(get_args(Where))


def test_the_limits_and_options_that_the_text_names_are_so() -> None:
    assert f"at most {LONGEST} characters" in TEXT
    assert "--people" in {o for p in COMMANDS["verify"].commands["audit"].params for o in p.opts}
    assert {"--spend-look", "--on", "--loop"} <= options("compare")
    assert {"--list", "--precise", "--flips"} <= options("review")
    assert "--keep" in options("card")


def test_the_example_is_a_valid_recipe() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.S)
    found = recipe.load("name: example\n" + block)
    assert found.generate.weakness is not None
    assert found.generate.weakness.source == "last"
    assert found.evaluate.weakness
