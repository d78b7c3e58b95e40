"""A round's tasks as containers of this machine: kfp.local's DockerRunner on the profile's images, held as a cluster holds them.

Pod Security "restricted" in Docker's words: no root, no capability, a root filesystem that is read-only, /tmp in memory. What
kfp-kubernetes writes for a cluster (secrets, nodes, volumes) kfp.local does not read, so the variables that lead to the store
and the registry are passed on from this process, and those that the profile takes from secrets with them.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kfp import local
from kfp.local import docker_task_handler

from ratchet.profile import Profile

PASSED = ("RATCHET_", "MLFLOW_", "AWS_", "OTEL_")
"""Beginnings of the variables that are passed on."""
ALONE = ("NO_PROXY", "no_proxy", "HF_HUB_OFFLINE", "OMP_NUM_THREADS", "TOKENIZERS_PARALLELISM")
HERE = ("RATCHET_CACHE", "RATCHET_SCRATCH", "RATCHET_PROGRESS", "RATCHET_SERVICES_TOKEN", "RATCHET_CODE_REVISION")
FILES = ("AWS_CA_BUNDLE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "MLFLOW_TRACKING_SERVER_CERT_PATH")
"""Variables that name places of this machine: no container has them."""
RESTRICTED = {
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "read_only": True,
    "tmpfs": {"/tmp": "mode=1777,exec"},
}


def docker_runner(profile: Profile, root: str, loop: str) -> local.DockerRunner:
    """A runner whose containers reach loopback servers. `root` is KFP's folder: every container writes its outputs there."""
    docker_task_handler.run_docker_container = run_container
    Path(root).chmod(0o777)
    # As root the images' own user is kept; any other user stays who they are, and can remove what the containers leave.
    user = {} if os.getuid() == 0 else {"user": f"{os.getuid()}:{os.getgid()}"}
    environment = passed_on(profile, os.environ)
    labels = {"ratchet.loop": loop}
    return local.DockerRunner(network_mode="host", environment=environment, labels=labels, **RESTRICTED, **user)


def passed_on(profile: Profile, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of a container. They must be whole: the runner's replace a task's own where both name one."""
    sources = (profile.secrets, profile.optional_secrets, profile.config_maps, profile.optional_config_maps)
    named = {name for source in sources for keys in source.values() for name in keys.values()} | set(ALONE)
    found = {n: v for n, v in environment.items() if n in named or n.startswith(PASSED)}
    return {n: v for n, v in found.items() if n not in (*HERE, *FILES)} | profile.environment


def run_container(client: Any, image: str, command: list[str], volumes: dict[str, Any], **arguments: Any) -> int:
    """In place of KFP's own, which has Docker remove a container at its end and takes one that is gone for a success.

    A container that was killed is a failed task. The command replaces the image's entry point, as Kubernetes' does.
    """
    container = client.containers.run(
        image=image, entrypoint=command[:1], command=command[1:], volumes=volumes, detach=True, **arguments
    )
    try:
        for line in container.logs(stream=True, follow=True):
            sys.stdout.write(line.decode(errors="replace"))
        return int(container.wait()["StatusCode"])
    finally:
        container.remove(force=True)
