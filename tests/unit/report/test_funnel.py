"""The funnel of a round as the real verify and filter stages left it: units, reasons and skills."""

from __future__ import annotations

from collections import Counter

import pytest

from ratchet import rounds
from ratchet.artifacts import GROUPS, Artifact, Manifest
from ratchet.filter.excluded import EXCLUDED, excluded_prefix
from ratchet.filter.reasons import REASONS
from ratchet.report import html
from ratchet.report.collect import collect
from ratchet.report.view import LoopView, RoundView
from ratchet.stage import run_ticket
from ratchet.store import Store
from tests.unit.loops import LOOP
from tests.unit.report.collected import steered_loop
from tests.unit.report.test_collection import section
from tests.unit.report.test_report_html import Elements


@pytest.fixture(scope="module")
def filtered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Manifest]:
    """One round whose collection was verified and filtered by the stages themselves."""
    settings, store = steered_loop(tmp_path_factory.mktemp("filtered"), count=1)
    ticket = rounds.read_run(store, LOOP, "job-1")
    assert ticket is not None
    made = rounds.manifests(store, LOOP, 1)["generate"]
    checked = run_ticket("verify", ticket, {"generate": made.uri}, settings)
    return store, run_ticket("filter", ticket, {"verify": checked.uri}, settings)


@pytest.fixture(scope="module")
def view(filtered: tuple[Store, Manifest]) -> LoopView:
    return collect(filtered[0], LOOP)


@pytest.fixture(scope="module")
def shown(view: LoopView) -> RoundView:
    return view.rounds[0]


def test_drops_and_skills_are_those_of_the_filters_rows(filtered: tuple[Store, Manifest], shown: RoundView) -> None:
    store, manifest = filtered
    dropped = Artifact(store, excluded_prefix(store.key(manifest.uri)), EXCLUDED).rows()
    kept = list(Artifact.open(store, manifest.uri, GROUPS).rows())
    assert shown.drops == Counter(row.reason for row in dropped)
    by_skill = Counter(group.prompt.skill for group in kept)
    assert {skill: count for skill, count in shown.kept_by_skill.items() if count} == by_skill
    # A skill of which nothing was kept is shown with that.
    assert 0 in shown.kept_by_skill.values()
    assert shown.kept == len(kept) > 0
    assert len(shown.drops) > 1
    assert shown.prompts == shown.kept + sum(shown.drops.values())


def test_passed_is_of_the_models_own_answers_and_the_rest_is_counted_beside_it(
    filtered: tuple[Store, Manifest], shown: RoundView
) -> None:
    store, _ = filtered
    verified = Artifact.open(store, rounds.manifests(store, LOOP, 1)["verify"].uri, GROUPS).rows()
    completions = [c for group in verified for c in group.completions]
    assert shown.passed == sum(c.honest and any(v.passed for v in c.verdicts) for c in completions)
    assert shown.aside == {
        "negatives": sum(c.negative is not None for c in completions),
        "without the picture": sum(c.blind for c in completions),
    }
    assert all(shown.aside.values())


def test_the_page_tells_the_funnel_in_prompts_and_every_reason_in_words(view: LoopView, shown: RoundView) -> None:
    page = html.render(view)
    text = Elements(section(page, "funnel")).text
    assert f"{shown.kept} of {shown.prompts} prompts were kept" in text
    for reason, count in shown.drops.items():
        assert f"{reason.replace('_', ' ')} {count}" in text
        # A reason that the strategy gave is not of the filter's list.
        assert reason == "unanswerable" or f"{reason.replace('_', ' ')} : {REASONS[reason]}" in text
    for skill, count in shown.kept_by_skill.items():
        assert f"{skill} {count}" in text
