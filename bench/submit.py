"""`ratchet submit` as a program, over the time that the API itself takes: the fake API with a delay of 100 ms a request
counts its requests, and what they waited is taken off. Folder store; the compiled round of the built-in profile.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.result import Result
from ratchet.platform.access import Access
from ratchet.platform.deploying import deploy_file
from ratchet.platform.pipelines import Pipelines
from ratchet.platform.places import Place
from ratchet.profile import Profile
from ratchet.services.fake_pipelines import FakePipelines, Fault

GOAL = 1.0
DELAY = 0.1
IR = """
pipelineInfo: {name: small}
root:
  inputDefinitions:
    parameters:
      recipe: {parameterType: STRING}
      loop: {parameterType: STRING}
      seed: {parameterType: STRING, isOptional: true}
"""


def measure(quick: bool) -> list[Result]:
    with tempfile.TemporaryDirectory() as folder, FakePipelines() as fake:
        file = Path(folder) / "round.yaml"
        file.write_text(IR)
        deploy_file(Pipelines(Access(fake.url), "kubeflow"), Place.of(Profile()), file)
        given = {"RATCHET_ROOT": f"{folder}/store", "RATCHET_REGISTRY": "store", "KFP_ENDPOINT": fake.url}
        fake.faults.append(Fault(200, times=10**9, seconds=DELAY))
        program({**os.environ, **given})
        turns, requests = [], []
        for _ in range(2 if quick else 7):
            fake.requests.clear()
            begun = time.perf_counter()
            program({**os.environ, **given})
            turns.append(time.perf_counter() - begun - DELAY * len(fake.requests))
            requests.append(len(fake.requests))
    detail: dict[str, Any] = {"requests": requests, "delay_seconds": DELAY}
    middle = sorted(turns)[len(turns) // 2]
    what = "`ratchet submit`, the whole program, over the API's own time"
    return [Result("submit program", what, GOAL, False, middle, "s", turns, detail=detail)]


def program(environment: dict[str, str]) -> None:
    """One submit, as a shell starts it."""
    code = "from ratchet.cli import main; main()"
    command = [sys.executable, "-c", code, "submit", "--loop", "bench", "--recipe", "rft", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
