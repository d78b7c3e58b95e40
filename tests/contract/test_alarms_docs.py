"""The table of docs/alarms.md against the code: every alarm, when it is looked at, and its defaults."""

from __future__ import annotations

import re
from pathlib import Path

from ratchet import recipe
from ratchet.alarms import rules
from ratchet.recipe import AlarmsConfig

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "alarms.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(\w+)` \| (filter|promote) \| ([^|]+) \| [^|]+ \| ([^|]+) \|$", TEXT, re.M)
DEFAULTS = AlarmsConfig().model_dump()


def test_every_alarm_has_its_row_with_its_defaults() -> None:
    assert [name for name, *_ in ROWS] == [name for name in AlarmsConfig.model_fields if name != "min_prompts"]
    for name, _, _, told in ROWS:
        said = {key: float(value) for key, value in (part.split() for part in told.split(", "))}
        assert said == {key: value for key, value in DEFAULTS[name].items() if key != "action"}, name
        assert DEFAULTS[name]["action"] == "warn"


def test_the_code_tells_of_the_same_alarms() -> None:
    told = re.findall(r"^\| (\w+) +\|", rules.__doc__ or "", re.M)
    assert set(told) - {"alarm"} == {name for name, *_ in ROWS}


def test_what_is_promotes_says_so_in_the_code_too() -> None:
    late = {line.split("|")[1].strip() for line in (rules.__doc__ or "").splitlines() if "before promotion" in line}
    assert late == {name for name, before, *_ in ROWS if before == "promote"}


def test_the_example_is_valid() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.S)
    found = recipe.load("name: example\n" + block).alarms
    assert found.precision is not None
    assert (found.precision.below, found.precision.action, found.length) == (0.7, "stop", None)
