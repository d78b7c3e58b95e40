"""Suites, diversity, what a round took and where its model comes from: from the results of stages to the page."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from ratchet.registry.gate import Reason
from ratchet.report import html, sentences, words
from ratchet.report.collect import PHRASES
from ratchet.report.lineage import loop_graph, round_graph
from ratchet.report.measured import costs, suite_views
from ratchet.report.view import LoopView, RoundView, SuiteView
from tests.unit.report.test_report_html import Elements

RATES = {"unparsed": 0.01, "clipped": 0.0, "unscored": 0.0}
FOUND = {
    "suites": {
        "pope": {
            "digest": "ab" * 32,
            "title": "POPE",
            "measures": "object existence",
            "primary": "f1",
            "higher": True,
            "items": 3000,
            "judge": None,
            "champion": {"f1": 0.8, "yes_ratio": 0.46, "true_yes_ratio": 0.5, "items": 3000, "interval": (0.78, 0.82)}
            | {"categories": {"random": {"f1": 0.85}, "popular": {"f1": 0.75}}, "rates": RATES},
            "candidate": {"f1": 0.83, "yes_ratio": 0.49, "true_yes_ratio": 0.5, "items": 3000, "interval": [0.81, 0.85]}
            | {"categories": {"random": {"f1": 0.86}, "popular": {"f1": None}}, "rates": RATES},
            "delta": {"delta": 0.03, "low": 0.01, "high": 0.05, "n": 3000, "clusters": 500},
            "notes": ["POPE, candidate: half of the answers were cut."],
        },
        "amber": {
            "digest": "cd" * 32,
            "primary": "chair",
            "higher": False,
            "top": 100.0,
            "items": 1004,
            "judge": {"model": "judge-7b", "prompt": "12ab"},
            "champion": {"chair": 7.8},
            "candidate": {"chair": 9.1},
            "delta": {"delta": 1.3, "low": 0.4, "high": 2.2, "n": 1004, "clusters": 1004},
        },
        "empty": {
            "digest": "ef" * 32,
            "primary": "accuracy",
            "items": 0,
            "champion": {},
            "candidate": None,
            "delta": None,
        },
    }
}


@pytest.fixture(scope="module")
def suites() -> dict[str, SuiteView]:
    return {one.name: one for one in suite_views(FOUND)}


@pytest.fixture(scope="module")
def round_page(view: LoopView, suites: dict[str, SuiteView]) -> str:
    shown = view.rounds[0].model_copy(update={"suites": tuple(suites.values())})
    return html.render_round(view.model_copy(update={"rounds": (shown,)}), 0)


def section(page: str, name: str) -> str:
    return re.search(rf'<section id="{name}".*?</section>', page, re.DOTALL)[0]


def test_a_suite_keeps_both_figures_its_parts_and_what_must_be_told(suites: dict[str, SuiteView]) -> None:
    pope = suites["pope"]
    assert (pope.champion.value, pope.champion.low, pope.candidate.high) == (0.8, 0.78, 0.85)
    assert [(f.name, f.champion, f.candidate) for f in pope.parts] == [("random", 0.85, 0.86), ("popular", 0.75, None)]
    assert {f.name for f in pope.figures} == {"yes_ratio", "true_yes_ratio"}
    assert pope.unparsed == {"champion": 0.01, "candidate": 0.01}
    assert pope.better is True


def test_where_lower_is_better_a_rise_is_worse_and_shown_on_its_own_scale(suites: dict[str, SuiteView]) -> None:
    assert suites["amber"].better is False
    assert not suites["amber"].is_share
    assert suites["amber"].judge == "model judge-7b, prompt 12ab"


def test_a_suite_without_figures_is_unknown_and_not_zero(suites: dict[str, SuiteView]) -> None:
    assert suites["empty"].champion is None
    assert suites["empty"].candidate is None
    assert suites["empty"].better is None


def test_the_page_shows_suites_with_intervals_items_and_judges(round_page: str) -> None:
    text = Elements(section(round_page, "suites")).text
    assert "80.0% 78.0 to 82.0%" in text
    assert "+3.0 +1.0 to +5.0" in text
    assert "+1.30 +0.40 to +2.20" in text
    assert "lower is better, n 1,004, judged" in text
    assert "Judge: model judge-7b, prompt 12ab ." in text
    assert "POPE, candidate: half of the answers were cut." in text
    assert "– –" in text.partition("empty")[2]


def test_the_first_screen_answers_what_why_how_much_and_how_sure(round_page: str) -> None:
    text = Elements(round_page.partition("<nav")[0]).text
    assert "Promoted : the candidate became the champion." in text
    assert "Accuracy rose and no guard failed." in text
    assert "All 6 guards passed." in text
    assert "+5.5 points +3.4 to +7.6" in text
    assert "p = 4.2 × 10⁻⁷, at or below the 0.0304 of error spent at look 1: rejected" in text


def test_the_truth_stands_beside_the_yes_ratio_and_diversity_is_counted(view: LoopView) -> None:
    said = {"true_yes_ratio": 0.5, "distinct": 1.43, "mean_correct": 0.6}
    models = {name: getattr(view.rounds[0], name).model_copy(update=said) for name in ("champion", "candidate")}
    shown = view.rounds[0].model_copy(update=models | {"changes": {"pass_at_k": view.rounds[0].delta}})
    text = Elements(section(html.render_round(view.model_copy(update={"rounds": (shown,)}), 0), "hallucination")).text
    assert "47.0% truth 50.0%" in text
    assert re.search(r"Distinct answers .* 1.43 k 4 1.43 k 4 0.00", text)
    assert re.search(r"pass@k .* \+5.5 \+3.4 to \+7.6", text)


def test_drift_is_drawn_over_the_rounds(view: LoopView) -> None:
    drawn = section(html.render(view), "hallucination")
    assert 'aria-label="Yes ratio by round: round 0 47.0%; round 1 47.0%."' in drawn
    assert "by round" not in section(html.render_round(view, 0), "hallucination")


def digested(shown: RoundView) -> RoundView:
    return shown.model_copy(
        update={"seed_digest": "5e" * 32, "candidate_digest": "ca" * 32, "prompts_digest": "99" * 32}
    )


def test_a_rounds_lineage_leads_from_the_seed_over_its_data_to_the_champion(view: LoopView) -> None:
    drawn = str(round_graph(digested(view.rounds[0])))
    for name in (
        "Prompts",
        "Seed",
        "Generate",
        "Verify",
        "Filter",
        "Train",
        "Candidate",
        "Evaluate",
        "Gate",
        "Champion",
    ):
        assert f">{name}</text>" in drawn
    assert drawn.count(">cacacacaca</text>") == 2, "the candidate is the champion"
    assert "version 2, new" in drawn
    assert re.search(r'aria-label="Lineage of round 0: seed version 1 \(5e5e5e5e5e\), begin \(.*: promoted\."', drawn)


def test_a_refused_candidate_leaves_the_champion_and_a_failed_round_says_what_was_not_reached(view: LoopView) -> None:
    refused, failed = (str(round_graph(digested(r))) for r in view.rounds[1:])
    assert "version 2, as before" in refused
    assert refused.count(">cacacacaca</text>") == 1
    assert failed.count("not reached</text>") >= 2


def test_versions_branch_where_they_were_not_promoted(view: LoopView) -> None:
    drawn = str(loop_graph(view))
    assert "Version 2: round 0, promoted" in drawn
    assert "Version 3: round 1, refused" in drawn
    assert drawn.count('class="edge thin"') == 2
    assert str(loop_graph(view.model_copy(update={"rounds": ()}))) == ""


def test_what_judges_cost_is_told_by_stage(view: LoopView) -> None:
    spent = {
        "spent": {"teacher": {"calls": 1200, "cached": 30, "failed": 2, "tokens_in": 90, "tokens_out": 8, "cost": 0.42}}
    }
    shown = view.rounds[0].model_copy(update={"costs": tuple(costs("verify", spent))})
    text = Elements(section(html.render_round(view.model_copy(update={"rounds": (shown,)}), 0), "time")).text
    assert "verify teacher 1,200 30 2 90 8 0.42" in text
    assert "model 94.4 , store 23.6" in text
    assert costs("train", {}) == []
    beside = {"answers": {"champion": {"asked": 3, "cached": 0}}, "judges": spent["spent"]}
    assert [one.judge for one in costs("evaluate", {"spent": beside})] == ["teacher"]
    assert costs("evaluate", {"spent": beside | {"judges": {}}}) == []


@pytest.mark.parametrize(("value", "text"), [(0.42, "0.42"), (12.34, "12.3"), (1234.5, "1,234"), (-3.0, "−3.00")])
def test_figures_on_a_scale_of_their_own_are_plain_numbers(value: float, text: str) -> None:
    assert words.plain(value) == text


@pytest.mark.parametrize(("value", "text"), [(1.3, "+1.30"), (-1.3, "−1.30"), (0.001, "0.00"), (-1500.0, "−1,500")])
def test_their_differences_have_a_sign(value: float, text: str) -> None:
    assert words.plain_change(value) == text


def test_a_gate_without_error_left_is_not_told_as_chance(view: LoopView) -> None:
    shown = view.rounds[1].model_copy(update={"p_value": 9e-7, "alpha_spent": 0.0, "look": 3})
    said = sentences.tested(shown)
    assert "the loop's error is used up: nothing is left for look 3, so nothing can be promoted" in said
    assert "new items" in said
    assert "chance" not in said


def test_the_null_hypothesis_and_the_bet_are_those_of_the_gate(view: LoopView) -> None:
    shown = view.rounds[0].model_copy(update={"null_gain": 0.02, "e_value": 31.4, "p_value": 1 / 31.4})
    said = sentences.tested(shown)
    assert said.startswith("Null hypothesis: the candidate's true gain is at most 2.0 points. A bet against it grew by")
    assert "31.4, which counts as p = 0.03" in said


def test_every_reason_of_the_gate_has_words() -> None:
    assert set(PHRASES) == set(get_args(Reason))
