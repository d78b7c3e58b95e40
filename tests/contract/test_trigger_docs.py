"""The tables of docs/trigger.md against the code."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from ratchet.operations.trigger import app, decide, drive, service, signature
from ratchet.operations.trigger.asks import Cause
from ratchet.operations.trigger.metrics import OUTCOMES, Metrics
from ratchet.registry.promotion import Kind
from ratchet.rounds import State

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "trigger.md").read_text(encoding="utf-8")


def rows(head: str) -> list[tuple[str, ...]]:
    """The rows below a table's head, without the ticks."""
    block = TEXT.split(f"| {head} |", 1)[1].split("\n\n", 1)[0]
    found = [tuple(cell.strip().strip("`") for cell in line.strip("|").split("|")) for line in block.splitlines()]
    return [row for row in found if len(row) > 1 and not row[0].startswith("---")][0:]


def test_every_outcome_of_a_delivery_has_its_row_and_status() -> None:
    told = {row[0]: int(row[1]) for row in rows("outcome | status | of a delivery that")}
    assert told == {name: app.STATUS[name] for name in OUTCOMES}


def test_every_reason_to_start_nothing_has_its_row() -> None:
    assert [row[0] for row in rows("why | meaning")] == list(get_args(decide.Waiting))


def test_every_end_of_a_round_has_what_follows_it() -> None:
    assert {row[0] for row in rows("the round ended | what follows")} == set(get_args(State))


def test_every_metric_has_its_row() -> None:
    described = {name for family in Metrics().collected.collect() for name in [family.name, f"{family.name}_total"]}
    told = {row[0] for row in rows("metric | what")}
    assert told <= described
    assert len(told) == len(list(Metrics().collected.collect()))
    for kind in (*get_args(Kind), *get_args(Cause)):
        assert kind in TEXT


def test_the_numbers_are_those_of_the_code() -> None:
    for number in (
        f"{signature.WINDOW_SECONDS:.0f} s ago",
        f"`--poll`, {service.POLL_SECONDS:.0f} s",
        f"{app.MOST_BYTES // 1024} KiB",
        f"{decide.MOST_FAILURES} failures in a row",
        f"after {drive.RETRY_SECONDS:.0f} s",
        f"up to {drive.LONGEST_RETRY_SECONDS / 60:.0f} minutes",
        f"({service.DRAIN_SECONDS:.0f} s at most)",
        f"within {service.KEEP_SECONDS:.0f} s",
    ):
        assert number in TEXT, number
