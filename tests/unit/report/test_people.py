"""People's labels in the report: how many, how far verdicts agree with them, where people overrule; and they change nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ratchet import rounds
from ratchet.registry import open_registry
from ratchet.report.collect import collect
from ratchet.report.html import render, render_round
from ratchet.report.people import MOST, people_views
from ratchet.report.people_words import rate, terminal_lines
from ratchet.report.summary import summary
from ratchet.report.writing import retell_rounds, round_key
from ratchet.review import Label, Labels
from ratchet.rounds import RoundEnd
from ratchet.statistics import wilson
from ratchet.store import Store
from tests.unit.loops import LOOP
from tests.unit.report.collected import steered_loop

HOSTILE = "</td><script>window.hacked=1</script>"


@pytest.fixture
def labelled(tmp_path: Path) -> tuple[Any, Store]:
    """A loop of one round, six answers of which were labelled, one by two people."""
    settings, store = steered_loop(tmp_path, count=1)
    for number, (choice, exact, votes) in enumerate(
        [
            ("right", True, True),
            ("right", True, False),
            ("wrong", True, False),
            ("wrong", False, False),
            ("unsure", True, True),
        ]
    ):
        add(store, number, choice, verdict=exact, said={"exact": exact, "votes": votes})
    add(store, 5, "right", verdict=None, said={"exact": None, "votes": True}, override=True, note=HOSTILE, author="bob")
    add(store, 0, "right", verdict=True, said={"exact": True}, author="bob")
    return settings, store


def add(store: Store, number: int, choice: str, author: str = "ann", **fields: Any) -> None:
    split = fields.pop("split", "pool")
    Labels(store, LOOP).add(
        Label(
            round=1, split=split, prompt_id=f"p{number}", text=f"answer {number}", model="m", why=("random",), choice=choice, author=author,
            **fields,
        )
    )  # fmt: skip


def test_agreement_is_counted_of_what_both_decided_with_an_interval(labelled: tuple[Any, Store]) -> None:
    (view,) = people_views(labelled[1], LOOP).values()
    assert (view.labels, view.answers, view.authors, view.unsure) == (7, 6, 2, 1)
    verdict, exact, votes = view.agreed
    assert (verdict.name, verdict.n, verdict.agree, verdict.passed_wrong, verdict.failed_right) == (
        "the verdict",
        5,
        4,
        1,
        0,
    )
    assert (exact.n, exact.agree) == (5, 4)
    assert (votes.n, votes.agree, votes.failed_right) == (5, 4, 1)
    assert (votes.low, votes.high) == pytest.approx(wilson(4, 5)), "five prompts, each labelled once"
    assert rate(verdict).value == 0.8
    assert verdict.low < 0.8 < verdict.high
    assert [(one.text, one.override) for one in view.overruled] == [("answer 5", True), ("answer 2", False)]


def test_a_round_without_labels_has_no_section_and_labels_of_holdout_items_are_not_shown(tmp_path: Path) -> None:
    _, store = steered_loop(tmp_path, count=1)
    add(store, 1, "wrong", verdict=True, split="holdout")
    view = collect(store, LOOP, items=5)
    assert view.rounds[0].people is None
    assert 'id="people"' not in render(view) + render_round(view, 1)
    assert summary(view)["rounds"][0]["people"] is None


def test_both_pages_show_them_escaped_and_the_terminal_and_the_summary_tell_them(labelled: tuple[Any, Store]) -> None:
    view = collect(labelled[1], LOOP, items=5)
    for page in (render(view), render_round(view, 1)):
        assert '<a href="#people">People</a>' in page
        assert "7 labels of 6 answers by 2 people; 1 label unsure." in page
        assert "2 labels contradict a verdict, or say that it must not stand. The verdicts stand as they were." in page
        assert HOSTILE not in page
        assert "passed (exact passed, votes failed)" in page
    (line,) = terminal_lines(view.rounds)
    assert line.startswith(
        "Round 1, people: 7 labels of 6 answers by 2 people; 1 label unsure. The verdict agrees on 80.0% ("
    )
    assert summary(view)["rounds"][0]["people"]["overrules"] == 2


def test_labels_given_after_the_round_come_into_its_page_and_change_nothing_else_in_it(tmp_path: Path) -> None:
    settings, store = steered_loop(tmp_path, count=1)
    rounds.write_end(store, LOOP, 1, RoundEnd(state="REFUSED", reason="not-better", job="job-1", champion="1"))
    before = render_round(collect(store, LOOP, items=5), 1)
    store.put(round_key(LOOP, 1), before.encode())
    for number in range(MOST + 1):
        add(store, number, "wrong", verdict=True)
    registry = open_registry(settings, store)
    assert retell_rounds(registry, store, collect(store, LOOP, items=5)) == [1]
    page = store.get(round_key(LOOP, 1)).decode()
    assert (
        f"{MOST + 1} labels contradict a verdict, or say that it must not stand; the newest {MOST} are below." in page
    )
    parts = r"(<!-- (people|people-link) -->).*?(<!-- /\2 -->)"
    assert re.sub(parts, r"\1\3", page, flags=re.S) == before
    assert retell_rounds(registry, store, collect(store, LOOP, items=5)) == []
