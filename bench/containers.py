"""What a container costs a task: a round by kfp.local's DockerRunner in the images, and by its SubprocessRunner here.

The same recipe and salt on the same SeaweedFS, so both make the same artifacts; what is compared is wall time by task. It needs
the images (`make images`) and their engine (DOCKER_HOST); without them there is nothing to measure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from bench.overhead import SMALL
from bench.result import Result
from ratchet.errors import ServiceError
from ratchet.loop import init_loop
from ratchet.services import Services, start
from ratchet.settings import Settings
from ratchet.stage import STAGES

GOAL = 10.0
LOOP = "bench"
IMAGES = {name: f"ratchet-{name}:dev" for name in ("core", "inference", "training")}


def measure(quick: bool) -> list[Result]:
    """Seconds that a task takes longer, the median of the turns; runners take turns too."""
    if not _images_are_here():
        return []
    taken: dict[str, list[float]] = {"subprocess": [], "docker": []}
    with tempfile.TemporaryDirectory() as name, start(Path(name) / "services", mlflow=False) as services:
        for turn in range(1 if quick else 3):
            for runner in ("docker", "subprocess") if turn % 2 else ("subprocess", "docker"):
                taken[runner].append(_round(services, runner))
    more = [(ours - bare) / len(STAGES) for bare, ours in zip(taken["subprocess"], taken["docker"], strict=True)]
    what = "a task in a container over the same task as a process: the round's difference, by its tasks"
    detail = {"tasks": len(STAGES), "images": IMAGES}
    middle = sorted(more)[len(more) // 2]
    return [
        Result("containers", what, GOAL, False, middle, "s a task", more, taken["subprocess"], taken["docker"], detail)
    ]


def _round(services: Services, runner: str) -> float:
    places = {**services.environment(), "RATCHET_ROOT": f"s3://ratchet/bench-{uuid.uuid4().hex[:12]}"}
    environment = {**os.environ, **places, "RATCHET_REGISTRY": "store"}
    os.environ.update(places)
    init_loop(Settings(root=places["RATCHET_ROOT"], registry="store"), LOOP, "tinyworld")
    profile = json.dumps({"name": "bench", "images": IMAGES} if runner == "docker" else {"name": "bench"})
    command = [sys.executable, "-m", "ratchet.pipelines.local", "--runner", runner, "--profile", profile]
    began = time.perf_counter()
    done = subprocess.run(
        [*command, "--loop", LOOP, "--recipe", SMALL], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ServiceError(f"the round by {runner} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - began


def _images_are_here() -> bool:
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env()
        for name in IMAGES.values():
            client.images.get(name)
        client.close()
    except DockerException:
        return False
    return True
