"""What every task of a round gets from the profile: image, resources, places, names of secrets; and never KFP's cache."""

from dataclasses import dataclass
from typing import Any

from kfp import kubernetes

from ratchet.profile import QUEUE_LABEL, Profile, Resources, place_of
from ratchet.profile.tasks import LEASE_VARIABLE

POD = {
    "RATCHET_POD": "metadata.name",
    "RATCHET_POD_UID": "metadata.uid",
    "RATCHET_NAMESPACE": "metadata.namespace",
}
"""What a container knows of its own pod, from the cluster itself."""
OURS = {"app.kubernetes.io/name": "ratchet", "app.kubernetes.io/part-of": "ratchet"}
"""Policies of the network select rounds' pods by `part-of` where the namespace is shared. A profile's labels go before these."""
BACKOFF = "5s"
"""Before the second try; twice as long before each one after."""


@dataclass(frozen=True)
class Placed:
    """Callable that places a task: `place(generate(...))`."""

    profile: Profile

    def __call__(self, task: Any) -> Any:
        name, profile = task.name, self.profile
        resources = profile.resources_of(name)
        task.set_container_image(profile.image(name))
        task.set_caching_options(False)
        if profile.retries:
            task.set_retry(num_retries=profile.retries, backoff_duration=BACKOFF, backoff_factor=2.0)
        for variable, value in profile.environment.items():
            task.set_env_variable(variable, value)
        if profile.lease_seconds is not None:
            task.set_env_variable(LEASE_VARIABLE, str(profile.lease_seconds))
        _sizes(task, resources)
        _pod(task, profile, resources)
        _nodes(task, resources)
        _variables(task, profile)
        kubernetes.set_timeout(task, profile.timeout_of(name) or 0)
        return task


def _sizes(task: Any, wanted: Resources) -> None:
    """Requests are limits: a stage that is given less than it was promised is slow in a way that nobody sees."""
    task.set_cpu_limit(wanted.cpu).set_cpu_request(wanted.cpu)
    task.set_memory_limit(wanted.memory).set_memory_request(wanted.memory)
    if wanted.gpus:
        task.set_accelerator_type(wanted.gpu).set_accelerator_limit(str(wanted.gpus))
    # All that a stage writes beside its outputs; so the rest of the file system may be read-only.
    kubernetes.empty_dir_mount(task, "scratch", "/tmp", size_limit=wanted.scratch)
    if wanted.shared_memory is not None:
        kubernetes.empty_dir_mount(task, "shm", "/dev/shm", medium="Memory", size_limit=wanted.shared_memory)


def _pod(task: Any, profile: Profile, resources: Resources) -> None:
    security = profile.security
    kubernetes.set_image_pull_policy(task, profile.pull_policy)
    if profile.image_pull_secrets:
        kubernetes.set_image_pull_secrets(task, list(profile.image_pull_secrets))
    kubernetes.set_security_context(
        task,
        run_as_user=security.run_as_user,
        run_as_group=security.run_as_group,
        run_as_non_root=security.run_as_non_root,
    )
    queue = {} if resources.queue is None else {QUEUE_LABEL: resources.queue}
    for key, value in (OURS | {"app.kubernetes.io/component": place_of(task.name)} | resources.labels | queue).items():
        kubernetes.add_pod_label(task, key, value)
    for key, value in resources.annotations.items():
        kubernetes.add_pod_annotation(task, key, value)


def _nodes(task: Any, resources: Resources) -> None:
    for key, value in resources.node_selector.items():
        kubernetes.add_node_selector(task, key, value)
    for one in resources.tolerations:
        kubernetes.add_toleration(task, one.key, one.operator, one.value, one.effect, one.seconds)


def _variables(task: Any, profile: Profile) -> None:
    """Names of secrets and of their keys: what is in them is read by the cluster when the pod starts."""
    for optional, secrets in ((False, profile.secrets), (True, profile.optional_secrets)):
        for secret, keys in secrets.items():
            kubernetes.use_secret_as_env(task, secret, keys, optional=optional)
    for optional, maps in ((False, profile.config_maps), (True, profile.optional_config_maps)):
        for name, keys in maps.items():
            kubernetes.use_config_map_as_env(task, name, keys, optional=optional)
    for variable, field in POD.items():
        kubernetes.use_field_path_as_env(task, variable, field)
