"""What every task of a round gets from the profile: image, resources, secrets, retries; and never KFP's cache."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ratchet.profile import RESOURCES_OF_TASK, Profile


@dataclass(frozen=True)
class Placed:
    """Callable that places a task: `place(generate(...))`."""

    profile: Profile

    def __call__(self, task: Any) -> Any:
        stage = task.name
        profile = self.profile
        task.set_container_image(profile.image(stage))
        task.set_caching_options(False)
        if profile.retries and stage != "finish":
            task.set_retry(num_retries=profile.retries, backoff_duration="5s", backoff_factor=2.0)
        for name, value in profile.environment.items():
            task.set_env_variable(name, value)
        _resources(task, profile, RESOURCES_OF_TASK.get(stage, stage))
        _secrets(task, profile)
        return task


def _resources(task: Any, profile: Profile, stage: str) -> None:
    wanted = profile.resources.get(stage)
    if wanted is None:
        return
    task.set_cpu_limit(wanted.cpu).set_cpu_request(wanted.cpu)
    task.set_memory_limit(wanted.memory).set_memory_request(wanted.memory)
    if wanted.gpus:
        task.set_accelerator_type(wanted.gpu).set_accelerator_limit(str(wanted.gpus))


def _secrets(task: Any, profile: Profile) -> None:
    if not profile.secrets:
        return
    from kfp import kubernetes

    use: Callable[..., Any] = kubernetes.use_secret_as_env
    for secret, keys in profile.secrets.items():
        use(task, secret_name=secret, secret_key_to_env=keys)
