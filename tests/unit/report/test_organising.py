"""What the report shows of verification, audit, alarms and filtering: the stages' numbers, in words that a person can use."""

from __future__ import annotations

import io
import json
import re
from collections import Counter

import pytest
from rich.console import Console

from ratchet.alarms import Alarm
from ratchet.artifacts import GROUPS, Artifact, Manifest
from ratchet.filter.excluded import read_excluded
from ratchet.filter.reasons import REASONS
from ratchet.report import html, organising_words
from ratchet.report.collect import collect
from ratchet.report.organising import (
    AlarmsView,
    DroppedView,
    FilteringView,
    PairView,
    RaisedView,
    SaidView,
    SpentView,
    VerificationView,
    filtering_view,
    verification_view,
)
from ratchet.report.summary import summary
from ratchet.report.terminal import print_loop
from ratchet.report.view import LoopView, RoundView
from ratchet.store import Store
from ratchet.verify.audit.result import AuditResult
from tests.unit.loops import LOOP
from tests.unit.report.conftest import HOSTILE
from tests.unit.report.organised import audit, watched_loop
from tests.unit.report.test_collection import section
from tests.unit.report.test_report_html import Elements, embedded


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, dict[str, Manifest]]:
    _, store, done = watched_loop(tmp_path_factory.mktemp("watched"))
    return store, done


@pytest.fixture(scope="module")
def view(watched: tuple[Store, dict[str, Manifest]]) -> LoopView:
    return collect(watched[0], LOOP)


@pytest.fixture(scope="module")
def last(view: LoopView) -> RoundView:
    return view.rounds[-1]


@pytest.fixture(scope="module")
def page(view: LoopView) -> str:
    return html.render(view)


def test_a_verifiers_verdicts_are_counted_as_the_rows_have_them(
    watched: tuple[Store, dict[str, Manifest]], last: RoundView
) -> None:
    store, done = watched
    rows = list(Artifact.open(store, done["verify"].uri, GROUPS).rows())
    verdicts = [v for g in rows for c in g.completions for v in c.verdicts]
    assert last.verification is not None
    assert {one.name for one in last.verification.verifiers} == {v.verifier for v in verdicts}
    for one in last.verification.verifiers:
        mine = [v for v in verdicts if v.verifier == one.name]
        assert (one.passed, one.failed) == tuple(sum(v.passed is p for v in mine) for p in (True, False))
        assert (one.scored, one.unscored) == (0, sum(v.passed is None for v in mine))
        assert one.reasons == Counter(v.reason for v in mine)
        assert one.verdicts == len(mine)
    own = sum(c.honest for g in rows for c in g.completions)
    alone = sum(one.decided_alone for one in last.verification.verifiers)
    assert (last.verification.judged, last.verification.together) == (own, own - alone)


def test_the_page_tells_verdicts_reasons_and_where_verifiers_disagree(page: str, last: RoundView) -> None:
    text = Elements(section(page, "verification")).text
    shown = last.verification
    assert shown is not None
    for one in shown.verifiers:
        for reason, number in one.reasons.items():
            assert f"{reason.replace('_', ' ')} {number:,}" in text
    assert any(pair.disagree for pair in shown.pairs)
    for pair in shown.pairs:
        kappa = "no kappa" if pair.kappa is None else f"{pair.kappa:.2f}"
        assert f"{kappa} {100 * pair.agree / pair.both:.1f}% of {pair.both} {pair.disagree} apart" in text
    worst = min(shown.pairs, key=lambda p: p.kappa)
    assert f"Least agree {worst.left} and {worst.right}: " in text


def test_the_audit_says_which_verifier_is_no_better_than_a_constant(page: str) -> None:
    part = section(page, "audit")
    text = Elements(part).text
    assert "No better than passing everything, as far as these answers can tell: rubric_of_the_seed." in text
    assert "Passed nothing, so that its precision is not known: silent." in text
    assert "Right by definition, since it is part of the truth here: numeric." in text
    assert "On 60 validation prompts with 480 answers by mine v1, k 8 at temperature 1." in text
    assert "longer wrong answers pass more often; 25.0% of comparisons flip with the order" in text
    assert "gold taken 60 of 60" in text
    assert "corrupted refused 114 of 120" in text
    assert part.count('class="baseline"') == 4, "two baselines in each of two rounds are greyed"
    # The share of right answers stands in every row as a line.
    assert part.count('class="base"') == 2 * len(audit().verifiers)
    for value in ("94.9%", "90.3 to 97.4%", "39.4%"):
        assert value in text


def test_alarms_are_told_with_value_reference_threshold_and_advice(page: str, last: RoundView) -> None:
    text = Elements(section(page, "alarms")).text
    assert last.alarms is not None
    raised = [one.alarm for one in last.alarms.raised]
    assert [one.name for one in raised] == ["precision", "length"]
    for one in raised:
        assert one.words[1:] in text
        assert one.next in text
        assert f"{one.threshold:.3g}" in text
    assert "6 was 3 in round 1" in text
    assert "1 alarm fired. There is no earlier round to compare with, so drifts are silent." in text
    assert "2 alarms fired. Drifts are measured against round 1." in text
    assert "Watched: " in text
    assert "skill share" in text
    assert "entropy" not in last.alarms.watched, "the recipe has switched it off"


def test_where_no_alarm_fired_the_page_says_so_and_what_was_watched(view: LoopView) -> None:
    quiet = AlarmsView(watched=("precision", "yes_ratio"), moments=("before training", "before promotion"))
    calm = view.rounds[0].model_copy(update={"alarms": quiet})
    text = Elements(section(html.render(view.model_copy(update={"rounds": (calm,)})), "alarms")).text
    assert "None fired before training and before promotion." in text
    assert "Watched: precision , yes ratio ." in text


def test_an_alarm_that_stops_the_round_stands_out(view: LoopView) -> None:
    alarm = Alarm(
        name="precision", action="stop", value=0.2, threshold=0.5, words="too low", next="Ask easier prompts."
    )
    shown = AlarmsView(raised=(RaisedView(moment="before training", alarm=alarm),), watched=("precision",))
    stopped = view.rounds[0].model_copy(update={"alarms": shown})
    part = section(html.render(view.model_copy(update={"rounds": (stopped,)})), "alarms")
    assert 'class="failing"' in part
    assert "1 alarm fired, 1 of them to stop the round." in Elements(part).text


def test_drops_by_band_rate_and_skill_add_up_to_what_was_dropped(
    watched: tuple[Store, dict[str, Manifest]], last: RoundView
) -> None:
    store, done = watched
    shown = last.filtering
    assert shown is not None
    rows = list(read_excluded(store, done["filter"]))
    for table in (shown.bands, shown.rates, shown.skills):
        assert sum(one["rows"] for one in table.values()) == shown.rows
        assert sum(one["kept"] for one in table.values()) == shown.kept
        found = Counter[str]()
        for one in table.values():
            found.update({name: n for name, n in one.items() if name not in ("rows", "kept")})
        assert found == Counter(row.reason for row in rows)
    assert {one.reason for one in shown.dropped} == {row.reason for row in rows}, "every reason has its rows"
    known = {(row.question, row.reason, row.pass_rate) for row in rows}
    assert all((one.question, one.reason, one.pass_rate) in known for one in shown.dropped)
    assert all(one.pictures and one.pixels for one in shown.dropped)


def test_the_page_tells_each_cell_of_the_drops(page: str, last: RoundView) -> None:
    part = section(page, "filtering")
    text = Elements(part).text
    shown = last.filtering
    assert shown is not None
    for name, counts in shown.bands.items():
        cells = [counts.get(reason, 0) or "·" for reason in organising_words.heat_rows(shown.bands)]
        assert f"{name} {counts['rows']} {counts['kept']} {' '.join(map(str, cells))}" in text
    assert REASONS["too_hard"] in part
    assert part.count('class="specimen dropped"') == sum(len(r.filtering.dropped) for r in (last, last))
    assert f"They hold {shown.pairs} pairs." in text


def test_the_gallery_says_what_each_verifier_said_and_judges_as_the_round_did(
    watched: tuple[Store, dict[str, Manifest]], view: LoopView, page: str
) -> None:
    items = [item for item in view.gallery if item.round == 2]
    answers = [a for item in items for a in item.answers]
    apart = [a for a in answers if len({p for p in a.said.values() if p is not None}) > 1]
    assert apart
    passed = sum(a.passed is True for a in answers)
    counts = watched[1]["verify"].counts
    if sum(len(item.answers) for item in items) == counts["completions"]:
        assert passed == counts["passed"] + counts["negatives_scored"] - counts["negatives_failed"]
    told = [a["said"] for item in embedded(page)["items"] for a in item["answers"] if a["said"]]
    assert {word for said in told for word in said.values()} == {"right", "wrong", "unscored"}


def test_the_terminal_has_a_line_each_for_audit_and_alarms(view: LoopView) -> None:
    console = Console(width=300, file=io.StringIO())
    print_loop(view, console)
    out = console.file.getvalue()
    assert "Round 2 alarms: precision (warn) and length (warn)." in out
    assert "Round 2 audit: precision exact 94.9%, rubric_of_the_seed 39.4%, combined 84.2% (37.5% of" in out


def test_the_summary_has_the_numbers_and_no_rows(view: LoopView) -> None:
    made = summary(view)["rounds"][-1]
    json.dumps(made, allow_nan=False)
    assert made["alarms"]["raised"][0]["alarm"]["name"] == "precision"
    assert AuditResult.model_validate(made["audit"]) == audit()
    assert made["verification"]["pairs"]
    assert "dropped" not in made["filtering"]


def test_rounds_older_than_these_counts_have_no_such_section(
    watched: tuple[Store, dict[str, Manifest]], view: LoopView
) -> None:
    old = {name: m.model_copy(update={"results": {}}) for name, m in watched[1].items()}
    assert verification_view(old["verify"]) is None
    assert filtering_view(old["filter"]) is None
    none = dict.fromkeys(("verification", "audit", "alarms", "filtering"))
    page = html.render(view.model_copy(update={"rounds": (view.rounds[0].model_copy(update=none),)}))
    for name in none:
        assert f'id="{name}"' not in page
        assert f'href="#{name}"' not in page


def test_hostile_text_stays_text(view: LoopView) -> None:
    alarm = Alarm(name=HOSTILE, action="warn", value=1, threshold=1, words=HOSTILE, next=HOSTILE)
    counts = {"rows": 3, "kept": 1, HOSTILE: 2}
    one = audit().verifiers[1].model_copy(update={"verifier": HOSTILE})
    hostile = view.rounds[0].model_copy(
        update={
            "collection": None,
            "verification": VerificationView(
                policy=HOSTILE,
                verifiers=(SaidView(name=HOSTILE, passed=1, reasons={HOSTILE: 1}), SaidView(name="b")),
                pairs=(
                    PairView(left=HOSTILE, right="b", both=2, agree=1, disagree=1, only_left=1, only_right=0, kappa=0),
                ),
                spent=(SpentView(judge=HOSTILE),),
            ),
            "audit": audit().model_copy(update={"verifiers": (one,), "models": (HOSTILE,)}),
            "alarms": AlarmsView(raised=(RaisedView(moment="before training", alarm=alarm),), watched=(HOSTILE,)),
            "filtering": FilteringView(
                rows=3,
                kept=1,
                bands={HOSTILE: counts},
                skills={HOSTILE: counts},
                uses={HOSTILE: 1},
                dropped=(
                    DroppedView(
                        reason=HOSTILE,
                        skill=HOSTILE,
                        question=HOSTILE,
                        difficulty=None,
                        pass_rate=None,
                        pictures=(HOSTILE,),
                    ),
                ),
            ),
        }
    )
    page = html.render(view.model_copy(update={"rounds": (hostile,), "gallery": ()}))
    parsed = Elements(page)
    assert parsed.tags.count("script") == 2
    assert not {"img", "iframe"} & set(parsed.tags)
    assert all(key != "onerror" for key, _ in parsed.attributes)
    assert "\0" not in page
    assert len(re.findall(r"<b>bold</b>", parsed.text)) > 10
