"""docs/preflight.md against the code: every check has its row, what begin asks, and the limits that are named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from typer.main import get_command

from ratchet.cli.app import app
from ratchet.preflight import machine, registering, trusting
from ratchet.preflight.catalogue import CHECKS
from ratchet.preflight.checking import LIMIT_SECONDS
from ratchet.preflight.cluster import having
from ratchet.preflight.finding import Result
from ratchet.preflight.mending import MENDS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "preflight.md").read_text(encoding="utf-8")
TABLE = re.findall(r"^\| `(\w+)` \| (yes|) ?\| [^|]+ \| ([^|]+) \|$", TEXT, re.M)
ROWS = {name: begins for name, begins, _ in TABLE}
TESTS = ROOT / "tests" / "unit" / "preflight"


def test_every_check_has_its_row_in_order_and_says_whether_begin_asks_it() -> None:
    assert list(ROWS) == [one.name for one in CHECKS]
    assert {name for name, begins in ROWS.items() if begins} == {one.name for one in CHECKS if one.begins}


def test_every_result_is_explained() -> None:
    assert re.findall(r"^\| `(\w+)` \| [^|]+ \|$", TEXT, re.M) == list(get_args(Result))


def test_the_limits_are_those_of_the_code() -> None:
    assert f"time limit ({LIMIT_SECONDS:g} s; " in TEXT
    for one in CHECKS:
        if one.limit != LIMIT_SECONDS:
            assert f"`{one.name}` {one.limit:g} s" in TEXT
    assert f"more than {trusting.SKEW_FAIL / 60:g} min off" in TEXT
    assert f"warns above {trusting.SKEW_WARN:g} s" in TEXT
    assert f"warns {trusting.DAYS_LEFT} days before" in TEXT
    assert "older than {}.{}, or credentials".format(*registering.OLDEST) in TEXT
    assert "warns below {}.{}, which".format(*registering.WEBHOOKS) in TEXT
    assert "or is older than {}.{}; warns where there is no cluster".format(*having.OLDEST) in TEXT
    times = machine.TIMES_THE_MODEL
    assert (
        f"{times['train']:g} x its size to train, {times['evaluate']:g} x to evaluate, {times['generate']:g} x to generate"
        in TEXT
    )
    assert f"and {machine.LEAST_DISK / machine.GIB:g} GiB" in TEXT


def test_every_command_of_the_page_exists_with_its_options() -> None:
    command = get_command(app).commands["preflight"]  # type: ignore[attr-defined]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    (block,) = re.findall(r"```sh\n(.*?)```", TEXT, re.S)
    lines = [line.partition("#")[0].split() for line in block.splitlines()]
    assert all(line[:2] == ["ratchet", "preflight"] for line in lines)
    assert {word for line in lines for word in line if word.startswith("--")} <= known


def test_how_each_check_is_mended_is_what_the_code_says() -> None:
    assert {name: mended for name, _, mended in TABLE} == dict(MENDS)


def test_every_check_has_a_test_in_which_it_really_fails() -> None:
    """`fails` makes a test prove that the checks it names failed in it; here is only asked that each is named."""
    tests = "\n".join(path.read_text() for path in TESTS.glob("test_*.py"))
    named = {
        name
        for claim in re.findall(r"^@fails\(([^)]+)\)\ndef test_", tests, re.M)
        for name in re.findall(r'"(\w+)"', claim)
    }
    assert named == {one.name for one in CHECKS}
