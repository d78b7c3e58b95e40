"""A suite that a judge marks, on a served model: the judge is pinned, and its marks are never compared with another's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ratchet.artifacts import Artifact
from ratchet.errors import RecipeError, VerifierError
from ratchet.evaluate import OUTCOMES
from ratchet.evaluate.suites import Mark, suite
from ratchet.evaluate.suites.marking import checked
from ratchet.evaluate.suites.running import RunOptions, run
from ratchet.evaluate.suites.scoring import score_file
from ratchet.evaluate.suites.showing import write_predictions
from ratchet.recipe import EndpointConfig, JudgeConfig, SuiteConfig
from ratchet.store import FolderStore
from tests.judge_server import JudgeServer, serving
from tests.tiny import png


def said(text: str) -> str:
    """The model tells its question's number; the judge, which reads that answer, rates it, and is lost at the third."""
    if "Question number" in text and "Rating" not in text and "rating" not in text:
        return f"answer {text.split('number ')[1][0]}"
    number = int(text.split("answer ")[-1][0])
    return "I cannot tell." if number == 3 else f"Analysis.\nRating: {6 if number == 1 else 2}"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    (folder / "images").mkdir(parents=True)
    rows = [
        {
            "question_type": "attribute", "question_topic": "t", "image_id": f"i{n}", "image_src": f"https://x/{n}.png",
            "image_content": ["dog"], "question": f"Question number {n}?", "gt_answer": "a dog",
        }
        for n in (1, 2, 3)
    ]  # fmt: skip
    for n in (1, 2, 3):
        (folder / "images" / f"{n}.png").write_bytes(png("red", 6 + n))
    (folder / "response_template.json").write_text(json.dumps(rows))
    return folder


def options(files: Path, url: str, **judge: Any) -> RunOptions:
    server = EndpointConfig(url=url)
    return RunOptions(
        SuiteConfig(name="mmhal", source=str(files), judge="critic"),
        None,
        engine=server,
        judges={"critic": JudgeConfig(engine=server, **judge)},
    )


def test_answers_are_marked_by_the_judge_and_what_it_does_not_rate_is_unscored(tmp_path: Path, files: Path) -> None:
    store = FolderStore(str(tmp_path / "store"))
    with serving(JudgeServer(said)) as server:
        made = run(store, options(files, server.url))
        asked = server.asked.total()
        colder = run(store, options(files, server.url, max_new_tokens=64))
        assert server.asked.total() == asked + 3, "the judge is asked again with other settings, the model is not"
    figures = made.results["figures"]
    assert (figures["rating"], figures["hallucination_rate"], figures["unscored"]) == (4.0, 0.5, 1)
    outcomes = list(Artifact.open(store, made.uri, OUTCOMES).rows())
    assert [one.score for one in outcomes] == [1.0, pytest.approx(1 / 3), None]
    pinned = made.results["judge"]
    assert pinned["settings"]["max_new_tokens"] == 256
    assert pinned["judge"]["model"] == "judge-1"
    assert colder.results["judge"] != pinned
    assert colder.results["judge"]["prompt"] == pinned["prompt"]


def test_kept_marks_of_a_judge_are_scored_again_without_it(tmp_path: Path, files: Path) -> None:
    store, file = FolderStore(str(tmp_path / "store")), tmp_path / "answers.jsonl"
    with serving(JudgeServer(said)) as server:
        made = run(store, options(files, server.url))
    write_predictions(store, made, file)
    chosen = SuiteConfig(name="mmhal", source=str(files))
    assert score_file(chosen, file)["figures"]["rating"] == 4.0
    bare = [{"key": json.loads(line)["key"], "prediction": "x", "score": 1.0} for line in file.read_text().splitlines()]
    file.write_text("\n".join(map(json.dumps, bare)))
    with pytest.raises(Exception, match="need 'rating' of each answer"):
        score_file(chosen, file)


def test_a_judged_suite_needs_a_judge_that_there_is_and_that_is_not_the_seed(tmp_path: Path, files: Path) -> None:
    store = FolderStore(str(tmp_path / "store"))
    with serving(JudgeServer(said)) as server:
        given = options(files, server.url)
        for judges, name, rule in (
            ({}, None, "is marked by a judge; name one"),
            ({}, "critic", "no judge 'critic' in verify.judges; there are: none"),
            ({"critic": JudgeConfig()}, "critic", "is the seed of a round, and there is no round here"),
        ):
            chosen = given.suite.model_copy(update={"judge": name})
            with pytest.raises(RecipeError, match=rule):
                run(store, RunOptions(chosen, None, engine=given.engine, judges=judges))


@pytest.mark.parametrize(
    ("mark", "rule"),
    [(Mark(float("nan")), "its score is nan"), (Mark(1.0, counts={"n": float("inf")}), "count 'n' is inf")],
)
def test_a_score_that_is_no_number_is_refused(mark: Mark, rule: str) -> None:
    with pytest.raises(VerifierError, match=rule):
        checked(suite("pope"), "k", mark)
