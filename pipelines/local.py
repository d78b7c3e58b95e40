"""One round under kfp.local: the compiled pipeline's own graph, each task a process of this machine, or a container of it.

`python -m ratchet.pipelines.local --loop L --recipe R` is what `ratchet run` starts once a round, in a process group of
its own, so that a round can be killed whole and its log is one file.
"""

import argparse
import sys
import tempfile
import warnings
from math import ceil
from typing import Any

from kfp import local

from ratchet.pipelines.round import round_pipeline
from ratchet.profile import Profile
from ratchet.stage import lease_seconds


def run_round(profile: Profile, arguments: dict[str, Any], pipeline_root: str, runner: str = "subprocess") -> None:
    """Run one round; raises RuntimeError naming the task that failed. The exit task has run by then."""
    # The image is what a cluster runs; here it may be this interpreter, and KFP warns when its name lacks "python".
    warnings.filterwarnings(
        "ignore", message="You may be attemping to run a task that uses custom or non-Python base image"
    )
    # Of a loop's tasks kfp.local says each time that it ignores their CPUs and memory: they have what this machine has.
    warnings.filterwarnings("ignore", message=r"Task '.*': settings \[")
    local.init(
        runner=_runner(runner, profile, arguments, pipeline_root), pipeline_root=pipeline_root, raise_on_error=True
    )
    round_pipeline(_with_lease(profile))(**arguments)


def _with_lease(profile: Profile) -> Profile:
    """Here no pod waits for a place, and a run that was killed is gone: the lease is as long as this environment says."""
    return profile if profile.here else profile.model_copy(update={"lease": f"{ceil(lease_seconds())}s"})


def _runner(name: str, profile: Profile, arguments: dict[str, Any], pipeline_root: str) -> Any:
    if name == "docker":
        from ratchet.pipelines.containers import docker_runner

        return docker_runner(profile, pipeline_root, arguments["loop"])
    return local.SubprocessRunner(use_venv=False)


def main() -> int:
    parser = argparse.ArgumentParser(description="Run one round by kfp.local.")
    parser.add_argument("--loop", required=True)
    parser.add_argument("--recipe", required=True, help="a name, a file or YAML text")
    parser.add_argument("--seed", default="champion", help="the alias, or a version number")
    parser.add_argument("--budget", type=float, default=0.0, help="hours of a device; 0: what the loop's policy says")
    parser.add_argument("--profile", help="a shipped name, a YAML file or its text")
    parser.add_argument("--resume", action="store_true", help="reopen the last round if it failed")
    parser.add_argument("--origin", default="person", help="who started it: person, schedule or trigger")
    parser.add_argument(
        "--runner", choices=("subprocess", "docker"), default="subprocess", help="docker: the profile's images"
    )
    given = parser.parse_args()
    arguments = {name: getattr(given, name) for name in ("loop", "recipe", "seed", "budget", "resume", "origin")}
    # KFP's artifacts are manifests of a few kilobytes; what they name is in the store, so this folder may go.
    with tempfile.TemporaryDirectory(prefix="ratchet-kfp-") as folder:
        try:
            run_round(Profile.load(given.profile), arguments, folder, given.runner)
        except RuntimeError as error:
            sys.stderr.write(f"{error}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
