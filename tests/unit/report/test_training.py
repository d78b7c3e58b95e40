"""The report's section on training: from a manifest and its log to words, charts and tables."""

from __future__ import annotations

from pathlib import Path

from ratchet.artifacts import ArtifactWriter, Header
from ratchet.report.html import render, render_round
from ratchet.report.training import METRICS, TrainingView, training_view
from ratchet.report.training_words import ends, metric_charts, trained
from ratchet.report.view import LoopView
from ratchet.store import FolderStore
from ratchet.train.report import TRAIN_LOG, LogRow
from tests.unit.report.example import training

REPORT = {"method": "grpo", "rows": 10, "visits": 40, "steps": 100}


def stored(folder: Path, **report: object) -> TrainingView:
    store = FolderStore(str(folder))
    header = Header(stage="train", key="t", config={"method": "grpo", "start": "base"})
    writer = ArtifactWriter(store, "train", TRAIN_LOG, header)
    log = [
        LogRow(step=s, epoch=s / 100, loss=1.0, learning_rate=1e-4, tokens=s, metrics={"reward": s / 100, "other": 1.0})
        for s in range(1, 101)
    ]
    writer.write(0, log)
    return training_view(store, writer.commit(results={"report": {**REPORT, **report}}))


def test_the_view_is_of_the_manifest_and_its_log(tmp_path: Path) -> None:
    intake = {
        "left_out": 3,
        "replayed": 2,
        "skills": {"add": {"rows": 10, "visits": 40}},
        "bands": {"unknown": {"rows": 10, "visits": 40}},
    }
    view = stored(tmp_path, intake=intake)
    assert (view.method, view.start, view.rows, view.replayed, view.left_out) == ("grpo", "base", 10, 2, 3)
    assert view.skills["add"].visits == 40
    assert set(view.curves) == {"reward"}, "only measures that have a name here"
    points = view.curves["reward"]
    assert len(points) == 40
    assert points[-1][0] == 100
    assert points[0][1] < 0.03 < 0.97 < points[-1][1]


def test_rounds_older_than_these_counts_have_a_view(tmp_path: Path) -> None:
    view = stored(tmp_path)
    assert (view.skills, view.left_out) == ({}, 0)
    assert trained(view) == "GRPO from the loop's first seed: 10 rows, visited 40 times in 100 steps."


def test_what_was_learned_from_is_said() -> None:
    said = trained(training())
    assert "GRPO from the loop's first seed: 12,240 rows, visited 24,480 times in 400 steps." in said
    assert "2,448 rows (20.0%) are of earlier rounds. 1,360 rows are left to later rounds." in said
    assert "the round's seed" in trained(training().model_copy(update={"start": "seed"}))


def test_each_measure_has_a_chart_that_says_its_ends() -> None:
    shown = metric_charts(training())
    assert [title for title, _, _ in shown] == [METRICS[name] for name in training().curves]
    for title, chart, said in shown:
        assert chart.count("<polyline") == 1
        assert f'aria-label="{title}. {said}"' in chart
        assert "nan" not in chart.lower()
    assert ends([(1, float("nan"))]) == "no finite value"


def test_the_page_has_the_section_with_its_tables(view: LoopView) -> None:
    for page in (render(view), render_round(view, 0)):
        assert page.count('id="loss"') == 1
        assert "Measures of the training of round 0 in numbers" in page
        assert "Rows that round 0 learned from, by band of pass rate" in page
        assert '<td class="num">4.00</td>' in page
    bare = view.model_copy(update={"rounds": tuple(r.model_copy(update={"training": None}) for r in view.rounds)})
    assert "Measures of" not in render(bare)
