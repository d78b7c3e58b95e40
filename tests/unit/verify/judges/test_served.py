"""The verify stage with a judge behind a real server: cached, counted, lost and found again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ratchet.errors import VerifierError, VerifierUnavailable
from ratchet.stage import run_step
from tests.judge_server import PROMPT_TOKENS, JudgeServer, serving
from tests.unit.verify import staging
from tests.unit.verify.judges.stages import JudgedStage, said

TOKENS_OUT = 2


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    with serving(JudgeServer(said)) as judge:
        yield judge


def test_each_question_is_asked_once_with_its_picture_and_the_manifest_says_what_it_cost(
    tmp_path: Path, server: JudgeServer
) -> None:
    stage = JudgedStage(tmp_path, server)
    manifest = stage.run()
    verdicts = [v for group in stage.rows(manifest) for c in group.completions for v in c.verdicts]
    assert [(v.score, v.passed) for v in verdicts] == [(1.0, True), (0.25, False), (1.0, True)] * 11
    assert {v.tokens for v in verdicts} == {PROMPT_TOKENS + TOKENS_OUT}
    assert set(server.asked.values()) == {1}
    assert server.pictures == len(server.asked) == 22
    assert manifest.results["spent"] == {
        "j": {
            "calls": 22,
            "cached": 0,
            "failed": 0,
            "tokens_in": 22 * PROMPT_TOKENS,
            "tokens_out": 22 * TOKENS_OUT,
            "cost": round(22 * (PROMPT_TOKENS + 4 * TOKENS_OUT) / 1e6, 6),
        }
    }


def test_another_round_asks_nothing_and_has_the_same_rows(tmp_path: Path, server: JudgeServer) -> None:
    first = JudgedStage(tmp_path, server)
    one = first.run()
    again = JudgedStage(tmp_path, server, salt="another")
    two = again.run()
    assert one.uri != two.uri
    assert one.content_digest == two.content_digest
    assert server.asked.total() == 22
    spent = two.results["spent"]["j"]
    assert (spent["calls"], spent["cached"], spent["cost"]) == (0, 22, 0)


def test_a_judge_that_goes_away_stops_the_stage_and_when_it_is_back_nothing_is_asked_twice(
    tmp_path: Path, server: JudgeServer
) -> None:
    whole = JudgedStage(tmp_path / "twin", server).run()
    server.asked.clear()
    server.replied.clear()
    stage = JudgedStage(tmp_path / "a", server, break_after=3, concurrency=1)
    server.hold_after = 11
    server.release.set()
    with pytest.raises(VerifierUnavailable, match=r"judge j cannot be asked.*run the stage again"):
        stage.run()
    assert stage.shards() == 1
    assert server.replied.total() == 11
    server.hold_after = None
    manifest = stage.run()
    assert manifest.content_digest == whole.content_digest
    assert set(server.replied.values()) == {1}
    # What the broken try paid for is counted with the rest.
    assert manifest.results["spent"] == whole.results["spent"]


def test_a_judge_that_is_not_there_at_all_is_said_so(tmp_path: Path, server: JudgeServer) -> None:
    server.down = True
    with pytest.raises(VerifierUnavailable, match=r"judge j .*does not answer.*verify\.judges\.j\.engine\.url"):
        JudgedStage(tmp_path, server).run()


def test_a_few_errors_are_unscored_and_too_many_stop_the_stage(tmp_path: Path, server: JudgeServer) -> None:
    server.broken = {"how many in 0 ? 4"}
    stage = JudgedStage(tmp_path / "a", server)
    (bad,) = [v for group in stage.rows(stage.run()) for c in group.completions for v in c.verdicts if v.score is None]
    assert (bad.reason, bad.passed) == ("server", None)
    assert (bad.error or "").startswith("server: HTTP 500")
    server.broken = {f"how many in {i} ? {a}" for i in range(11) for a in (3, 4)}
    with pytest.raises(VerifierError, match=r"verdicts broke.*verifier rubric"):
        JudgedStage(tmp_path / "b", server).run()


def test_a_judgement_has_a_time_limit_with_all_its_retries(tmp_path: Path, server: JudgeServer) -> None:
    server.hold_after = 21
    stage = JudgedStage(tmp_path, server, retries=5)
    judges = stage.round.recipe.verify.judges
    limited = {"j": judges["j"].model_copy(update={"limit_seconds": 3.0})}
    verify = stage.round.recipe.verify.model_copy(update={"judges": limited, "max_error_share": 0.5})
    stage.round = stage.round.model_copy(update={"recipe": stage.round.recipe.model_copy(update={"verify": verify})})
    reasons = [v.reason for g in stage.rows(stage.run()) for c in g.completions for v in c.verdicts]
    assert reasons.count("timeout") in (1, 2)


def test_whoever_watches_a_judged_stage_sees_judgements_come_in(tmp_path: Path, server: JudgeServer) -> None:
    stage = JudgedStage(tmp_path, server)
    seen: list[tuple[int, int, str]] = []
    context = staging.context(stage.store, stage.round, "verify", generate=stage.parent)
    context.progress = lambda done, total, unit, note="": seen.append((done, total, note))
    run_step(context)
    assert [note for _, _, note in seen if "judgements" in note] == [f"{n} judgements" for n in range(1, 23)]
    assert {done for done, _, note in seen if "judgements" in note} == {0, 4, 8}
    assert seen[-1] == (11, 11, "33 verdicts")
