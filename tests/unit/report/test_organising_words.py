"""What the report says of verification, audit and filtering where no whole round is needed to tell."""

from __future__ import annotations

from pathlib import Path

from ratchet import canonical, rounds
from ratchet.report import html, organising_words
from ratchet.report.collect import collect
from ratchet.report.organising import FilteringView, PairView, SaidView, SpentView, VerificationView
from ratchet.store import open_store
from ratchet.verify.audit.result import AUDIT_FILE
from tests.unit.loops import LOOP, new_loop, opened
from tests.unit.report.organised import WATCHED, audit
from tests.unit.report.test_collection import section


def test_every_pair_has_one_cell_and_no_row_or_column_is_empty() -> None:
    names = ("a", "b", "c", "d")
    counts = {"agree": 3, "disagree": 1, "only_left": 1, "only_right": 0, "both": 4, "kappa": 0.5}
    pairs = [PairView(left=x, right=y, **counts) for x, y in (("a", "b"), ("a", "c"), ("b", "c"), ("c", "d"))]
    shown = VerificationView(policy="all", verifiers=tuple(SaidView(name=n) for n in names), pairs=tuple(pairs))
    rows, columns = shown.compared
    cells = {frozenset((r, c)) for i, r in enumerate(rows) for c in columns if shown.pair(r, c)}
    assert cells == {frozenset((p.left, p.right)) for p in pairs}
    assert all(any(shown.pair(r, c) for c in columns) for r in rows)
    assert all(any(shown.pair(r, c) for r in rows) for c in columns)


def test_what_judges_cost_is_told() -> None:
    spent = SpentView(judge="big", calls=1200, cached=30, failed=2, tokens_in=50_000, tokens_out=7000, cost=0.125)
    assert organising_words.asked(spent) == (
        "Judge big was asked 1,200 times (30 replies recalled), 2 of them in vain: 50,000 tokens read, 7,000 written, for 0.125 "
        "by the recipe's prices."
    )


def test_an_audit_that_stopped_its_round_is_shown_without_any_verdicts(tmp_path: Path) -> None:
    settings = new_loop(tmp_path)
    store = open_store(settings.root)
    ticket = opened(settings, "job-1", recipe=WATCHED)
    prefix = rounds.round_prefix(LOOP, ticket.number)
    store.put(f"{prefix}/verify-{'0' * 12}/{AUDIT_FILE}", canonical.dumps(audit().model_dump(mode="json")))
    (shown,) = collect(store, LOOP).rounds
    assert (shown.audit, shown.verification) == (audit(), None)
    assert "rubric_of_the_seed" in section(html.render(collect(store, LOOP)), "audit")


def test_where_all_verifiers_are_good_that_is_said() -> None:
    good = audit().model_copy(update={"verifiers": tuple(v for v in audit().verifiers if v.verifier == "exact")})
    assert organising_words.no_better(good) == "Every verifier that was measured is better than passing everything."
    truth = audit().model_copy(update={"verifiers": audit().verifiers[:1]})
    assert organising_words.no_better(truth) == "Right by definition, since it is part of the truth here: numeric."
    line = organising_words.audit_line(good)
    assert line.startswith("precision exact 94.9% (37.5% of the answers are right); every verifier")


def test_replayed_rows_are_told_as_a_share() -> None:
    shown = FilteringView(rows=50, kept=40, uses={"sft": 40}, replayed={"1": 4, "2": 6})
    assert organising_words.filtered(shown) == (
        "Of the kept rows 40 for SFT. Beside them 10 rows of rounds 1 and 2 are learned from again, 20.0% of all."
    )
