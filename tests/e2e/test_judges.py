"""A judged verify stage, killed with SIGKILL and run again; and judges that really run: a served seed, vLLM's server."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from ratchet.verify.judges.segments import SUFFIX
from tests.judge_server import JudgeServer, serving
from tests.unit.verify.judges.stages import JudgedStage, said

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
FEW = 37
QUESTIONS = 80


@pytest.mark.parametrize("replies", [1, 17, FEW, QUESTIONS - 1])
def test_a_stage_killed_while_it_asks_has_the_same_digest_and_asks_nothing_twice(tmp_path: Path, replies: int) -> None:
    with serving(JudgeServer(said, seconds=0.005)) as server:
        whole = JudgedStage(tmp_path / "twin", server, n=QUESTIONS // 2).run()
        server.asked.clear()
        server.replied.clear()
        server.hold_after = replies
        stage = JudgedStage(tmp_path / "a", server, n=QUESTIONS // 2)
        killed = _killed_when(stage, server)
        in_flight = {text for text, n in server.asked.items() if n > server.replied[text]}
        assert killed == -signal.SIGKILL
        assert server.replied.total() == replies
        assert len(in_flight) <= 4
        server.hold_after = None
        manifest = stage.run()
    assert manifest.content_digest == whole.content_digest
    assert manifest.results["spent"] == whole.results["spent"]
    assert len(server.replied) == QUESTIONS
    assert set(server.replied.values()) == {1}, "a reply that had come was asked for again"
    assert all(server.asked[text] == 1 + (text in in_flight) for text in server.asked)


def _killed_when(stage: JudgedStage, server: JudgeServer) -> int | None:
    """Run the stage in a process of its own, and kill it when the server holds all that it asks and what it replied is written."""
    child = multiprocessing.get_context("fork").Process(target=stage.run)
    child.start()
    assert child.pid is not None
    try:
        deadline = time.monotonic() + 240
        while (
            server.asked.total() - server.replied.total() < min(4, _in_flight_at_most(server))
            or _written(stage) < server.replied.total()
        ):
            assert time.monotonic() < deadline, (server.asked, server.replied, _written(stage))
            time.sleep(0.01)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.join()
    return child.exitcode


def _written(stage: JudgedStage) -> int:
    """How many replies its store has: each a line below its file's head."""
    files = Path(stage.store.root.removeprefix("file://")).rglob(f"[!.]*{SUFFIX}")
    return sum(len(file.read_bytes().splitlines()) - 1 for file in files)


def _in_flight_at_most(server: JudgeServer) -> int:
    """How many questions can be in flight: a shard's at most."""
    assert server.hold_after is not None
    return min(8 - server.hold_after % 8, QUESTIONS - server.hold_after)


def test_two_runs_at_once_share_what_they_hear_and_agree(tmp_path: Path) -> None:
    with serving(JudgeServer(said, seconds=0.02)) as server:
        one = JudgedStage(tmp_path, server, n=QUESTIONS // 2, salt="one")
        two = JudgedStage(tmp_path, server, n=QUESTIONS // 2, salt="two")
        children = [multiprocessing.get_context("fork").Process(target=stage.run) for stage in (one, two)]
        for child in children:
            child.start()
        for child in children:
            child.join(240)
        assert [child.exitcode for child in children] == [0, 0]
        # Both are complete: this reads their manifests.
        assert one.run().content_digest == two.run().content_digest
        assert set(server.asked.values()) <= {1, 2}
        asked = server.asked.total()
        third = JudgedStage(tmp_path, server, n=QUESTIONS // 2, salt="three").run()
        assert server.asked.total() == asked
        assert third.content_digest == one.run().content_digest
