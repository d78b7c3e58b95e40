"""The trigger as people start it, with `--start kfp`, against the fake API of Kubeflow Pipelines: a move is one run there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from ratchet import rounds
from ratchet.operations.trigger.register import EVENTS
from ratchet.operations.trigger.signature import DELIVERY, SIGNATURE, TIMESTAMP, sign
from ratchet.platform.places import Place
from ratchet.profile import Profile
from ratchet.rounds import RoundEnd
from ratchet.services.fake_pipelines import FakePipelines, Fault
from tests.pipelines import client, pipeline_file
from tests.trigger_processes import PATIENCE, free_port, within
from tests.triggered import LOOP, SECRET, Ground
from tests.unit.operations.trigger.test_deliveries import delivery

pytestmark = pytest.mark.slow


class Served:
    """`ratchet trigger serve --start kfp` in a process of its own. It polls at its start alone: later looks are webhooks'."""

    def __init__(self, ground: Ground, fake: FakePipelines, folder: Path) -> None:
        self.fake, self.ground, self.log = fake, ground, folder / "trigger.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("KFP_", "RATCHET_"))},
            "RATCHET_ROOT": ground.store.root,
            "RATCHET_REGISTRY": "store",
            "RATCHET_WEBHOOK_SECRET": SECRET,
            "KFP_ENDPOINT": fake.url,
        }
        self.child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            sys.executable,
            "-c",
            "from ratchet.cli import main; main()",
            "trigger",
            "serve",
            "--loop",
            LOOP,
            "--start",
            "kfp",
        ]
        with self.log.open("ab") as out:
            self.child = subprocess.Popen(
                [*command, "--port", str(self.port), "--poll", "3600"], env=self.environment, stdout=out, stderr=out
            )
        assert within(PATIENCE, self.ready), self.log.read_text()

    def ready(self) -> bool:
        assert self.child is not None
        assert self.child.poll() is None, self.log.read_text()
        try:
            return requests.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except (requests.ConnectionError, requests.Timeout):
            return False

    def end(self, number: signal.Signals) -> int:
        assert self.child is not None
        self.child.send_signal(number)
        code, self.child = self.child.wait(PATIENCE), None
        return code

    def looks(self) -> float:
        """Hints that wait; a look that has ended is none."""
        page = requests.get(f"{self.url}/metrics", timeout=60).text
        return next(
            float(one.split()[1]) for one in page.splitlines() if one.startswith("ratchet_trigger_queue_depth ")
        )

    def says(self, version: str, name: str | None = None) -> tuple[str, dict[str, str], bytes]:
        """A delivery as MLflow signs it: its outcome, and what to send again."""
        body = delivery(EVENTS[0], name=LOOP, alias="champion", version=version)
        name, stamp = name or uuid.uuid4().hex, str(int(time.time()))
        headers = {DELIVERY: name, TIMESTAMP: stamp, SIGNATURE: sign(SECRET, name, stamp, body)}
        return self.send(headers, body), headers, body

    def send(self, headers: dict[str, str], body: bytes) -> str:
        answer = requests.post(f"{self.url}/webhooks/mlflow", data=body, headers=headers, timeout=30)
        return str(answer.json()["outcome"])

    def quiet(self) -> list[str]:
        """The runs of the API once nothing waits to be looked at."""
        assert within(PATIENCE, lambda: self.looks() == 0), self.log.read_text()
        time.sleep(1.0)
        return self.runs()

    def runs(self) -> list[str]:
        with self.fake.state.lock:
            return [*self.fake.state.runs]

    def succeed(self) -> None:
        """The open run has ended, and with it its round."""
        number = len(self.runs())
        ground = self.ground
        ground.open_round(number)
        rounds.write_end(ground.store, LOOP, number, RoundEnd(state="PROMOTED", reason="better", job=self.runs()[-1]))
        self.fake.state.advance(self.runs()[-1], "SUCCEEDED")


@pytest.fixture
def served(ground: Ground, tmp_path: Path) -> Iterator[Served]:
    with FakePipelines() as fake:
        client(fake).upload(pipeline_file(tmp_path), Place.of(Profile.load(None)).pipeline, "a pipeline")
        one = Served(ground, fake, tmp_path)
        one.start()
        try:
            yield one
        finally:
            if one.child is not None:
                one.child.kill()
                one.child.wait()


def test_a_move_is_one_run_of_kubeflow_pipelines_and_a_replay_is_none(served: Served) -> None:
    assert within(PATIENCE, lambda: len(served.runs()) == 1), "the champion that was there"
    for number, version in enumerate(("2", "3", "1"), start=2):
        served.succeed()
        served.ground.person(version)
        outcome, headers, body = served.says(version)
        assert outcome == "accepted"
        assert within(PATIENCE, lambda number=number: len(served.runs()) == number), served.log.read_text()
        assert served.send(headers, body) == "known"
        assert served.says(version)[0] == "accepted", "the same news under another id"
        assert len(served.quiet()) == number
    parameters = [run["runtime_config"]["parameters"] for run in served.fake.state.runs.values()]
    assert parameters == [{"recipe": "rft", "loop": LOOP, "seed": "champion", "origin": "trigger"}] * 4
    assert [ask.move for ask in served.ground.asks()] == [1, 2, 3, 4]
    assert served.end(signal.SIGTERM) == 0


def test_a_trigger_that_is_killed_and_one_whose_answers_are_lost_start_no_second_run(served: Served) -> None:
    assert within(PATIENCE, lambda: len(served.runs()) == 1)
    served.succeed()
    # The run is made, and whoever asked for it never hears of it.
    served.fake.faults.append(Fault(None, times=1, method="POST", path="/runs", after=True))
    served.ground.person("2")
    assert served.says("2")[0] == "accepted"
    assert within(PATIENCE, lambda: len(served.runs()) == 2), served.log.read_text()
    assert served.end(signal.SIGKILL) == -signal.SIGKILL
    served.start()
    assert len(served.quiet()) == 2, "found by its name"
    served.succeed()
    assert served.says("2")[0] == "accepted"
    assert len(served.quiet()) == 2, "its move has had its run"
