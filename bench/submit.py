"""`ratchet submit`, over the time that the API itself takes: the fake API with a delay of 100 ms a request counts its requests,
and what they waited is taken off. Folder store.

`submit call` is the work of one submit in a process that has imported what it needs: checks, record, requests; wall time.
`submit program` is the whole program as a shell starts it, Python and all imports with it, in seconds of CPU: they do not
depend on what else the machine does, and it waits for nothing but the API.
"""

from __future__ import annotations

import os
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.result import Result
from ratchet.operations.starting import RoundRequest
from ratchet.platform.access import Access
from ratchet.platform.deploying import deploy_file
from ratchet.platform.pipelines import Pipelines
from ratchet.platform.places import Place
from ratchet.platform.recipes import policy_of
from ratchet.platform.starter import KfpStarter
from ratchet.profile import Profile
from ratchet.services.fake_pipelines import FakePipelines, Fault
from ratchet.store import open_store

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
    turns = 2 if quick else 7
    with tempfile.TemporaryDirectory() as folder, FakePipelines() as fake:
        file = Path(folder) / "round.yaml"
        file.write_text(IR)
        deploy_file(Pipelines(Access(fake.url), "kubeflow"), Place.of(Profile()), file)
        given = {"RATCHET_ROOT": f"{folder}/store", "RATCHET_REGISTRY": "store", "KFP_ENDPOINT": fake.url}
        fake.faults.append(Fault(200, times=10**9, seconds=DELAY))
        call(fake, folder)
        calls = [call(fake, folder) for _ in range(turns)]
        program({**os.environ, **given})
        programs = [program({**os.environ, **given}) for _ in range(turns)]
        requests = len(fake.requests)
    detail = {"requests": requests // (2 * turns + 2), "delay_seconds": DELAY}
    return [
        Result(
            "submit call", "one submit over the API's own time", GOAL, False, median(calls), "s", calls, detail=detail
        ),
        Result("submit program", "`ratchet submit`, imports and all", GOAL, False, median(programs), "CPU s", programs),
    ]


def call(fake: FakePipelines, folder: str) -> float:
    """One submit with a client of its own, less what its requests waited."""
    before, begun = len(fake.requests), time.perf_counter()
    profile = Profile()
    policy = policy_of(None, profile, "rft")
    request = RoundRequest(loop="bench", recipe=policy.recipe, key=secrets.token_hex(8), why="a benchmark")
    client = Pipelines(Access(fake.url), "kubeflow")
    KfpStarter(client, open_store(f"{folder}/store"), Place.of(profile)).start(request)
    return time.perf_counter() - begun - DELAY * (len(fake.requests) - before)


def program(environment: dict[str, str]) -> float:
    """One submit, as a shell starts it: its seconds of CPU."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = "from ratchet.cli import main; main()"
    command = [sys.executable, "-c", code, "submit", "--loop", "bench", "--recipe", "rft", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
