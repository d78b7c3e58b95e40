"""docs/gate.md against the code: the policy's keys, the reasons, the plans, and tables of simulated loops that add up."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from typer.main import get_command

from ratchet import recipe
from ratchet.cli.app import app
from ratchet.recipe import PromoteConfig, SpendingConfig
from ratchet.registry.gate import Reason, Test
from ratchet.registry.simulation.studies import studies, upper_bound

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "gate.md").read_text(encoding="utf-8")
STUDIES = {one.name: one for one in studies(10_000, 50, 300)}
ERRORS = re.findall(
    r"^\| ([^|]+) \| ([\d,]+) x (\d+) \| ([\d,]+) \| ([\d.]+)% \| ([\d.]+)% \| [\d.]+ \| [-+\d.]+ \|$", TEXT, re.M
)
POWER = re.findall(r"^\| (gain [^|]+) \| ([\d,]+) \| ([\d.]+)% \| ([\d.]+)% \| ([\d.]+)% \|$", TEXT, re.M)


def number(text: str) -> int:
    return int(text.replace(",", ""))


def test_every_key_of_the_policy_has_its_row_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (\S+) \| [^|]+ \|$", TEXT, re.M))
    assert set(rows) == set(PromoteConfig.model_fields)
    plain = {key: str(value) for key, value in PromoteConfig().model_dump().items() if not isinstance(value, dict)}
    assert {key: rows[key] for key in plain} == plain


def test_every_reason_is_explained_in_order() -> None:
    reasons = re.findall(r"^\| `([a-z-]+-[a-z-]+)` \| [^|]+ \|$", TEXT, re.M)
    assert ["better", *reasons] == list(get_args(Reason))


def test_every_plan_of_spending_and_every_test_has_its_row() -> None:
    plans = re.findall(r"^\| `(\w+)` \| [^|]*(?:r\^2|q\^|rounds|left)[^|]* \| [^|]+ \|$", TEXT, re.M)
    assert plans == list(get_args(SpendingConfig.model_fields["kind"].annotation))
    told = set(re.findall(r"^\| `(auto|exact|bootstrap|betting)`", TEXT, re.M))
    assert told == set(get_args(PromoteConfig.model_fields["test"].annotation))
    assert len(get_args(Test)) == 4


def test_the_example_is_a_valid_policy() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.S)
    found = recipe.load("name: example\n" + block).promote
    assert (found.decision, found.guards.suites, found.min_gain) == ("human", {"pope": 0.02}, 0.01)


def test_the_table_of_errors_has_every_study_with_as_many_loops_as_were_played() -> None:
    wanted = [one for one in STUDIES.values() if one.scenario != "gain"]
    assert [(name, int(rounds)) for name, _, rounds, *_ in ERRORS] == [(one.name, one.rounds) for one in wanted]
    assert all(20 <= number(row[1]) <= one.loops for row, one in zip(ERRORS, wanted, strict=True))


def test_the_default_meets_its_bound_on_clustered_items_lopsided_ones_included() -> None:
    clustered = {"no gain, one fixed set", "no gain, fresh items", "lopsided pictures, fresh items"}
    bounds = {name: float(bound) for name, *_, bound in ERRORS if name in clustered}
    assert set(bounds) == clustered
    assert max(bounds.values()) <= 100 * PromoteConfig().alpha


@pytest.mark.parametrize("row", ERRORS, ids=lambda row: row[0])
def test_shares_and_bounds_follow_from_the_counts(row: tuple[str, ...]) -> None:
    _, loops, _, wrong, share, bound = row
    assert float(share) == pytest.approx(100 * number(wrong) / number(loops), abs=0.006)
    assert float(bound) == pytest.approx(100 * upper_bound(number(wrong), number(loops)), abs=0.006)


def test_the_bound_of_ten_thousand_loops_is_below_alpha_on_a_fixed_set_and_on_fresh_items() -> None:
    main = [row for row in ERRORS if number(row[1]) >= 10_000 and int(row[2]) >= 50]
    assert {"one fixed set" in name for name, *_ in main} == {True, False}
    assert all(float(bound) <= 100 * PromoteConfig().alpha for *_, bound in main)


def test_the_table_of_power_has_every_gain_and_rises_with_the_rounds() -> None:
    wanted = [one for one in STUDIES.values() if one.scenario == "gain"]
    assert [name for name, *_ in POWER] == [one.name for one in wanted]
    assert all(20 <= number(row[1]) <= one.loops for row, one in zip(POWER, wanted, strict=True))
    for _, _, *shares in POWER:
        assert [float(s) for s in shares] == sorted(float(s) for s in shares)


def test_the_commands_exist_and_make_runs_the_study() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert {"approve", "reject", "gate"} <= set(commands)
    (line,) = re.findall(r"# (ratchet gate simulate .*)", TEXT)
    known = {o for p in commands["gate"].commands["simulate"].params for o in p.opts}
    assert set(re.findall(r"--\w+", line)) <= known
    assert line.split("ratchet ")[1] in (ROOT / "Makefile").read_text()
