"""How numbers are written, and the terminal and JSON forms of the report."""

from __future__ import annotations

import io
import json
import math

import pytest
from rich.console import Console

from ratchet.report import sentences, words
from ratchet.report.charts import loss_curve, loss_scale, timeline
from ratchet.report.html import render
from ratchet.report.summary import summary
from ratchet.report.svg import scale
from ratchet.report.terminal import print_loop, round_table
from ratchet.report.view import Estimate

ROUND_KEYS = {
    "round",
    "seed_version",
    "candidate_version",
    "decision",
    "accuracy",
    "delta",
    "delta_ci",
    "per_skill",
    "chair_i",
    "pope_f1",
    "pass_at_k",
    "kept",
    "seconds",
}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.054, "+5.4 points"),
        (-0.0341, "−3.4 points"),
        (0.0, "0.0 points"),
        (-0.0001, "0.0 points"),
        (None, "–"),
        (math.nan, "–"),
    ],
)
def test_differences_are_points_with_a_sign(value, text):
    assert words.points(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.631, "63.1%"), (1.0, "100.0%"), (0.0, "0.0%"), (None, "–"), (math.inf, "–")]
)
def test_rates_are_percentages_with_one_decimal(value, text):
    assert words.percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0304, "0.0304"), (0.00000042, "4.2 × 10⁻⁷"), (3e-12, "3.0 × 10⁻¹²"), (0.0, "0"), (None, "–")]
)
def test_small_probabilities_are_written_with_a_power(value, text):
    assert words.probability(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(8.21, "8.2 s"), (59.97, "1 min 00 s"), (185, "3 min 05 s"), (4320, "1 h 12 min"), (None, "–")]
)
def test_durations(value, text):
    assert words.duration(value) == text


def test_a_half_known_interval_is_not_shown():
    assert words.rate_words(Estimate(value=0.5, low=0.4, n=10)) == "50.0% (n 10)"


@pytest.mark.parametrize("values", [[0.57, 0.63], [0.5], [], [0.0, 1.0], [math.nan, 0.2], [-0.031, 0.12]])
def test_scales_hold_their_values_on_few_round_ticks(values):
    made = scale(values)
    assert 2 <= len(made.ticks) <= 12
    assert all(made.low <= v <= made.high for v in values if math.isfinite(v))


def test_a_long_loop_gets_a_wide_timeline(view):
    chart = timeline(view.model_copy(update={"rounds": view.rounds * 10}))
    assert chart.count('class="slot"') == 31
    assert "min-width:2480px" in chart


def test_a_loss_that_is_not_finite_is_left_out(view):
    axis = loss_scale(view.rounds)
    assert "nan" not in loss_curve(view.rounds[2], axis).lower()
    assert loss_scale([view.rounds[2].model_copy(update={"loss": ((0, math.nan),)})]) is None


def test_the_summary_has_the_keys_that_scripts_read(view):
    made = summary(view)
    assert all(r.keys() >= ROUND_KEYS for r in made["rounds"])
    assert [r["decision"] for r in made["rounds"]] == ["promote", "refuse", None]
    assert [r["state"] for r in made["rounds"]] == ["PROMOTED", "REFUSED", "FAILED"]
    assert made["champion"]["version"] == "2"
    assert made["champion"]["delta_to_seed_ci"] == [0.041, 0.084]
    assert made["controls"].keys() == {"labels", "no_verifier", "gold"}
    assert made["controls"]["labels"]["champion_minus_labels_ci"] == pytest.approx([0.037, 0.073])
    assert made["controls"]["gold"].keys() >= {"accuracy", "delta", "delta_ci", "decision"}
    assert made["seed"]["accuracy"] == 0.571
    assert made["final"]["per_skill"]["count"]["n"] == 300


def test_missing_values_in_the_summary_are_null(view):
    lost = view.rounds[0].model_copy(
        update={"p_value": math.nan, "delta": Estimate(value=math.nan, low=-math.inf, n=3)}
    )
    made = summary(view.model_copy(update={"rounds": (lost,), "controls": (), "champion": None, "final": None}))
    text = json.dumps(made, allow_nan=False)
    assert json.loads(text) == made
    assert made["rounds"][0]["p_value"] is None
    assert made["rounds"][0]["delta"] is None
    assert made["rounds"][0]["delta_ci"] is None
    assert made["controls"] == {"labels": None, "no_verifier": None, "gold": None}
    assert made["champion"] is None


def printed(view, width: int) -> str:
    console = Console(width=width, file=io.StringIO())
    print_loop(view, console)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [100, 80])
def test_the_terminal_report_fits_and_cuts_nothing(view, width):
    text = printed(view, width)
    assert max(len(line) for line in text.splitlines()) <= width
    for part in (
        "59.4–65.8",
        "+3.4…+7.6",
        "−0.5…+3.3",
        "● promoted",
        "◇ refused",
        "× failed",
        "3m44s",
        "would refuse",
        "+3.7…+7.3",
    ):
        assert part in text


def test_at_100_columns_a_round_is_one_line(view):
    line = next(x for x in printed(view, 100).splitlines() if "● promoted" in x)
    assert line.split()[:7] == ["0", "62.6%", "59.4–65.8", "+5.5", "+3.4…+7.6", "16.0%", "83.0%"]
    assert round_table(view).row_count == 3


def test_hostile_text_cannot_steer_the_terminal(hostile):
    bad = hostile.rounds[0].model_copy(update={"state": "FAILED", "reason": "\x1b[2J[red]gone[/red]\x07"})
    text = printed(hostile.model_copy(update={"rounds": (bad,)}), 100)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "␛[2J[red]gone[/red]␇" in text


def test_a_round_that_was_stopped_on_purpose_says_so_everywhere(view):
    stopped = view.rounds[-1].model_copy(update={"state": "STOPPED", "reason": "filter: alarm entropy: it fell"})
    seen = view.model_copy(update={"rounds": (*view.rounds[:-1], stopped)})
    assert sentences.round_headline(stopped).startswith(f"Round {stopped.number} was stopped on purpose")
    said = sentences.breakdown(stopped)
    assert said == f"Round {stopped.number} was stopped on purpose: filter: alarm entropy: it fell"
    assert "1 stopped" in sentences.tally(seen)
    console = Console(file=io.StringIO(), width=100)
    print_loop(seen, console)
    shown = console.file.getvalue()
    assert "■ stopped" in shown
    assert "alarm entropy: it fell" in shown
    page = render(seen)
    assert 'class="state stopped"' in page
