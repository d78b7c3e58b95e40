"""What a measurement that is run again asks: what failed, everything, or nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ratchet.artifacts import Manifest
from ratchet.evaluate.suites import SUITES
from ratchet.evaluate.suites.preparing import Origin, survey
from ratchet.evaluate.suites.running import RunOptions, run
from ratchet.recipe import EndpointConfig, EvaluateConfig, SuiteConfig
from ratchet.store import FolderStore
from tests.judge_server import JudgeServer, serving
from tests.unit.evaluate.suites.benchmark import pope


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(str(tmp_path / "store"))


def asking(tmp_path: Path, url: str) -> RunOptions:
    suite = SuiteConfig(name="pope", source=str(pope(tmp_path / "files", parts=("random",))))
    return RunOptions(suite, None, engine=EndpointConfig(url=url, retries=0))


def unscored(made: Manifest) -> float:
    share: float = made.results["figures"]["rates"]["unscored"]
    return share


def test_what_a_server_could_not_answer_is_asked_again_and_nothing_else(store: FolderStore, tmp_path: Path) -> None:
    with serving(JudgeServer(lambda _: "yes")) as server:
        given = asking(tmp_path, server.url)
        run(store, given)
        texts = list(server.asked)
    elsewhere = FolderStore(str(tmp_path / "elsewhere"))
    with serving(JudgeServer(lambda _: "yes")) as server:
        given = asking(tmp_path, server.url)
        server.broken = set(texts[:2])
        first = run(elsewhere, given)
        assert first.counts["failed"] > 0
        assert unscored(first) > 0
        server.broken = set()
        before = server.asked.total()
        second = run(elsewhere, given)
        asked = server.asked.total() - before
        third = run(elsewhere, given)
    assert (unscored(second), second.counts["failed"], asked) == (0, 0, first.counts["failed"])
    assert second.uri != first.uri
    assert third == second


def test_a_measurement_is_repeated_on_demand_and_where_nothing_is_kept(store: FolderStore, tmp_path: Path) -> None:
    says = ["yes"]
    with serving(JudgeServer(lambda _: says[0])) as server:
        given = asking(tmp_path, server.url)
        first = run(store, given)
        says[0] = "no"
        assert run(store, given) == first
        again = run(store, replace(given, again=True))
        kept = run(store, given)
        says[0] = "yes"
        uncached = run(store, replace(given, evaluate=EvaluateConfig(cache=False)))
    yes = [one.results["figures"]["yes_ratio"] for one in (first, again, uncached)]
    assert yes == [1.0, 0.0, 1.0]
    assert kept == again, "the last measurement is the one that is told"


def test_a_suite_of_another_version_has_another_digest(tmp_path: Path) -> None:
    chosen = SuiteConfig(name="pope", source=str(pope(tmp_path / "files")))
    mended = replace(SUITES["pope"], version="mended")
    assert survey(Origin(mended, chosen)).digest != survey(Origin(SUITES["pope"], chosen)).digest
