"""lmms-eval's task functions run here without what lmms-eval depends on, and leave nothing behind."""

from __future__ import annotations

import sys

import pytest

from tests import crosscheck


def test_a_task_scores_and_the_modules_are_as_they_were() -> None:
    before = {name: id(module) for name, module in sys.modules.items()}
    theirs = crosscheck.task("pope")
    (found, *_) = theirs.pope_process_results({"question_id": "1", "answer": "yes"}, ["Yes"]).values()
    assert found["score"] == 1.0
    after = {name: id(module) for name, module in sys.modules.items()}
    assert {name: after.get(name) for name in before} == before
    assert not [name for name in after if name.startswith(crosscheck.OWN)]


def test_each_load_has_its_own_globals() -> None:
    one, other = crosscheck.task("ocrbench"), crosscheck.task("ocrbench")
    assert one.OCRBench_score is not other.OCRBench_score


def test_what_is_not_installed_gives_no_score() -> None:
    theirs = crosscheck.task("coco_cap_chair")
    with pytest.raises(AssertionError, match=r"nltk\.word_tokenize is not installed"):
        theirs.caption_to_words("a dog")


def test_metrics_of_the_harness_itself_load_without_torch() -> None:
    torch = sys.modules.get("torch")
    assert crosscheck.module("api.metrics").anls(["dog"], ["dig"]) == {"anls": pytest.approx(2 / 3)}
    assert sys.modules.get("torch") is torch
