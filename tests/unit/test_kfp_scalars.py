"""Which of a stage's results become metrics."""

from __future__ import annotations

import pytest

from ratchet.artifacts import Manifest
from ratchet.kfp_io import scalars, shown_metrics
from ratchet.report.organising_words import audit_line
from ratchet.settings import Settings
from ratchet.status import loop_status
from tests.unit.loops import LOOP
from tests.unit.report.organised import audit, watched_loop


@pytest.mark.parametrize(
    ("results", "shown"),
    [
        ({}, {}),
        ({"loss": 0.5, "steps": 3}, {"loss": 0.5, "steps": 3.0}),
        ({"ok": True, "name": "x", "none": None, "list": [1, 2]}, {}),
        ({"a": {"b": {"c": 1}}}, {"a/b/c": 1.0}),
        ({"a": {"b": {"c": {"d": 1}}, "e": 2}}, {"a/e": 2.0}),
    ],
)
def test_numbers_are_flattened_three_deep_and_nothing_else_is_a_metric(results: dict, shown: dict) -> None:
    assert scalars(results) == shown


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, dict[str, Manifest]]:
    settings, _, done = watched_loop(tmp_path_factory.mktemp("scalars"))
    return settings, done


def test_verify_shows_shares_by_verifier_and_audited_precision(watched: tuple[Settings, dict[str, Manifest]]) -> None:
    manifest = watched[1]["verify"]
    shown = shown_metrics(manifest)
    results = manifest.results
    assert shown["accuracy"] == results["all"]["accuracy"]
    assert shown["passed"] == manifest.counts["passed"]
    for one in results["said"]:
        assert shown[f"pass_share/{one['verifier']}"] == one["passed"] / (one["passed"] + one["failed"])
    assert shown["least_kappa"] == min(one["kappa"] for one in results["disagreement"])
    assert {name: share for name, share in shown.items() if name.startswith("precision/")} == {
        f"precision/{one.verifier}": one.precision.share for one in audit().verifiers if one.precision.share is not None
    }
    assert len(shown) < 50


def test_filter_shows_its_drops_and_the_number_of_alarms(watched: tuple[Settings, dict[str, Manifest]]) -> None:
    manifest = watched[1]["filter"]
    shown = shown_metrics(manifest)
    assert shown["alarms"] == 2
    assert shown["kept_share"] == manifest.counts["kept"] / manifest.counts["rows"]
    for reason, number in manifest.results["reasons"].items():
        assert shown[f"dropped_{reason}"] == number
    assert len(shown) < 30


def test_the_status_tells_audit_and_alarms(watched: tuple[Settings, dict[str, Manifest]]) -> None:
    last = loop_status(watched[0], LOOP)["rounds"][-1]
    assert last["audit"] == audit_line(audit())
    assert [one["name"] for one in last["alarms"]] == ["precision", "length"]
