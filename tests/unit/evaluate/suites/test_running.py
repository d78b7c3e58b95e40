"""One suite on one model: asked once, resumed, kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ratchet.artifacts import Artifact
from ratchet.cli.app import app
from ratchet.errors import RecipeError
from ratchet.evaluate import OUTCOMES
from ratchet.evaluate.remembering import Remembering
from ratchet.evaluate.suites import SUITES
from ratchet.evaluate.suites.running import RunOptions, run
from ratchet.recipe import EvaluateConfig, PassAtKConfig, SuiteConfig
from ratchet.store import FolderStore
from tests.unit.evaluate.suites.benchmark import pope

SHORT = {"max_new_tokens": 3}


class Stopped(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(str(tmp_path / "store"))


def options(tmp_path: Path, model: Path, **suite: Any) -> RunOptions:
    files = str(pope(tmp_path / "files", parts=("random", "popular")))
    return RunOptions(
        SuiteConfig(name="pope", source=files, **SHORT, **suite), str(model), EvaluateConfig(batch_size=8)
    )


def test_a_question_that_two_parts_share_is_asked_once(store: FolderStore, tmp_path: Path, model_folder: Path) -> None:
    made = run(store, options(tmp_path, model_folder))
    outcomes = list(Artifact.open(store, made.uri, OUTCOMES).rows())
    assert (made.results["items"], made.results["spent"]["asked"]) == (24, 12)
    assert {o.suite for o in outcomes} == {"pope"}
    assert [o.item for o in outcomes[:1]] == ["random-0"]
    assert all(o.text for o in outcomes) or made.results["figures"]["rates"]["unparsed"] > 0
    assert made.results["figures"]["items"] == 24
    assert made.results["figures"]["rates"]["clipped"] == 1.0
    assert any("were cut" in note for note in made.results["notes"])


def test_a_model_is_not_asked_again_what_it_answered_before(
    store: FolderStore, tmp_path: Path, model_folder: Path
) -> None:
    first = run(store, options(tmp_path, model_folder, parts=("random",)))
    both = run(store, options(tmp_path, model_folder))
    assert both.uri != first.uri
    assert (both.results["spent"]["asked"], both.results["spent"]["recalled"]) == (0, 12)
    assert run(store, options(tmp_path, model_folder)).created == both.created


def test_a_stopped_run_goes_on_with_what_is_missing_and_ends_alike(
    store: FolderStore, tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ratchet.evaluate.suites.asking.SHARD_ROWS", 6)
    given = options(tmp_path, model_folder, pass_at_k=PassAtKConfig(k=2, prompts=4))
    whole = run(FolderStore(str(tmp_path / "elsewhere")), given)
    answer, calls = Remembering.answer, []

    def stop(self: Remembering, *asked: Any) -> Any:
        calls.append(asked)
        if len(calls) == 3:
            raise Stopped
        return answer(self, *asked)

    monkeypatch.setattr(Remembering, "answer", stop)
    with pytest.raises(Stopped):
        run(store, given)
    monkeypatch.setattr(Remembering, "answer", answer)
    again = run(store, given)
    assert again.content_digest == whole.content_digest
    assert again.results["spent"]["asked"] < whole.results["spent"]["asked"]
    assert whole.results["figures"]["sampled"]["k"] == 2


def test_who_marks_must_fit_the_suite(store: FolderStore, tmp_path: Path, model_folder: Path) -> None:
    with pytest.raises(RecipeError, match="POPE is marked by its own rule; leave judge 'gpt' out"):
        run(store, options(tmp_path, model_folder, judge="gpt"))


def test_the_command_prints_figures_and_writes_answers_that_can_be_scored(
    tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RATCHET_ROOT", raising=False)
    files, answers = str(pope(tmp_path / "files")), str(tmp_path / "answers.jsonl")
    asked = ["evaluate", "suite", "pope", "--from", files, "--model", str(model_folder), "--limit", "6"]
    ran = CliRunner().invoke(app, [*asked, "--out", str(tmp_path / "out"), "--predictions", answers])
    assert ran.exit_code == 0, ran.output
    assert "POPE: 6 items" in ran.output
    scored = CliRunner().invoke(
        app, ["evaluate", "score", "pope", "--from", files, "--limit", "6", "--predictions", answers, "--json"]
    )
    assert scored.exit_code == 0, scored.output
    assert json.loads(scored.output)["items"] == 6


def test_the_suites_are_listed() -> None:
    listed = CliRunner().invoke(app, ["evaluate", "suites", "--json"])
    pope_ = next(one for one in json.loads(listed.output) if one["name"] == "pope")
    assert (pope_["primary"], pope_["judge"], pope_["paper"]) == ("f1", False, "arXiv:2305.10355")


def test_a_line_a_suite_fits_eighty_columns_and_all_of_one_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = CliRunner().invoke(app, ["evaluate", "suites"]).stdout.splitlines()
    assert len(lines) == 1 + len(SUITES)
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["name", "primary", "by", "measures"]
    one = CliRunner().invoke(app, ["evaluate", "suites", "chair"]).stdout
    assert all(words in one for words in ("lower is better", "arXiv:1809.02156", "synonyms.txt", "LisaAnne"))
    assert CliRunner().invoke(app, ["evaluate", "suites", "nosuch"]).exit_code != 0
