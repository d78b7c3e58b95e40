"""From what is to be trained and the profile to a TrainJob: a plain, checked-by-schema mapping, and its name.

    apiVersion: trainer.kubeflow.org/v1alpha1       name: ratchet-<loop>-<round>-<stage key>

The runtime gives torchrun its address, rank and counts as PET_ variables, so the command names only the module. What the
pods need beside the container's own fields goes through `runtimePatches`, which Trainer 2.2 and later have.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ratchet import canonical
from ratchet.launching.trainjob import TrainJobConfig

GROUP, VERSION, PLURAL, KIND = "trainer.kubeflow.org", "v1alpha1", "trainjobs", "TrainJob"
DOMAIN = "ratchet.internal"
STAGE_KEY = f"{DOMAIN}/stage-key"
SPEC = f"{DOMAIN}/spec"
HOLDER = f"{DOMAIN}/holder"
ATTEMPT = f"{DOMAIN}/attempt"
QUEUE = "kueue.x-k8s.io/queue-name"
PRIORITY = "kueue.x-k8s.io/priority-class"
NODE = "node"
"""The runtimes' name for the job and the container that train."""
LONGEST_NAME = 46
"""JobSet makes pods named <name>-node-0-<number>-<5 letters>, which have to fit 63 characters with 512 nodes."""
KEY_LETTERS = 10
_SEED_LETTERS = 6
COMMAND = ("python", "-m", "torch.distributed.run", "-m", "ratchet.train.worker", "--order")


@dataclass(frozen=True)
class Owner:
    """The object whose end is the job's end: the workflow of the run, which outlives the pod of a retried step."""

    api_version: str
    kind: str
    name: str
    uid: str

    def reference(self) -> dict[str, Any]:
        """Without blockOwnerDeletion, which would need the right to change the owner's finalizers."""
        return {"apiVersion": self.api_version, "kind": self.kind, "name": self.name, "uid": self.uid}


@dataclass(frozen=True)
class Wanted:
    """A training to be run. `key` is the stage's, `holder` who asks (run and lease epoch); `order` is the workers' and `attempt`
    its name; `secrets` maps a secret's name to {key in the secret: variable}."""

    loop: str
    number: int
    key: str
    holder: str
    image: str
    order: str
    attempt: str
    nodes: int
    processes: int
    environment: Mapping[str, str]
    secrets: Mapping[str, Mapping[str, str]]

    @property
    def name(self) -> str:
        return name_of(self.loop, self.number, self.key)


def name_of(loop: str, number: int, key: str) -> str:
    """The same for every try of a stage, and another for every other stage: a DNS label of at most `LONGEST_NAME` letters."""
    end = f"-{number:04d}-{key[:KEY_LETTERS]}"
    room = LONGEST_NAME - len("ratchet-") - len(end)
    short = re.sub(r"[^a-z0-9]+", "-", loop.lower()).strip("-")
    if len(short) > room:
        short = f"{short[: room - _SEED_LETTERS - 1].rstrip('-')}-{hashlib.sha256(loop.encode()).hexdigest()[:_SEED_LETTERS]}"
    return f"ratchet-{short}{end}"


def train_job(wanted: Wanted, config: TrainJobConfig, owner: Owner | None = None) -> dict[str, Any]:
    """The TrainJob as it is created. `SPEC` is a digest of its spec, by which a later try knows its own job again."""
    spec = _spec(wanted, config)
    labels = {
        "app.kubernetes.io/name": "ratchet",
        "app.kubernetes.io/component": "train",
        f"{DOMAIN}/loop": wanted.loop,
        f"{DOMAIN}/round": f"{wanted.number:04d}",
    }
    if config.queue is not None:
        labels[QUEUE] = config.queue
    if config.priority is not None:
        labels[PRIORITY] = config.priority
    metadata: dict[str, Any] = {
        "name": wanted.name,
        "labels": labels,
        "annotations": {
            STAGE_KEY: wanted.key,
            SPEC: _digest(wanted, config),
            HOLDER: wanted.holder,
            ATTEMPT: wanted.attempt,
        },
    }
    if owner is not None:
        metadata["ownerReferences"] = [owner.reference()]
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": KIND, "metadata": metadata, "spec": spec}


def _digest(wanted: Wanted, config: TrainJobConfig) -> str:
    """Of the spec but for the order: a later try, and a run that takes the round up again, send another for the same work."""
    return canonical.digest(_spec(replace(wanted, order=wanted.key), config))


def _spec(wanted: Wanted, config: TrainJobConfig) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "runtimeRef": {"apiGroup": GROUP, "kind": config.runtime_kind, "name": config.runtime},
        "trainer": {
            "image": wanted.image,
            "command": [*COMMAND, wanted.order],
            "env": _variables(wanted, config),
            "numNodes": wanted.nodes,
            # Without it the runtime takes one process a CPU.
            "numProcPerNode": wanted.processes,
            # Both, as Trainer takes one process a node where there are limits and no requests.
            "resourcesPerNode": {"requests": config.resources, "limits": config.resources},
        },
        "runtimePatches": [{"manager": f"{DOMAIN}/launcher", "trainingRuntimeSpec": {"template": _job_set(config)}}],
    }
    if config.queue is not None:
        # Kueue resumes it. If Kueue does not look at this namespace the job waits, which is said, and no quota is passed by.
        spec["suspend"] = True
    if config.hours is not None:
        spec["activeDeadlineSeconds"] = max(int(config.hours * 3600), 1)
    return spec


def _variables(wanted: Wanted, config: TrainJobConfig) -> list[dict[str, Any]]:
    """Where this process's own addresses came from a config map they are plain already, and named once."""
    plain = [{"name": name, "value": value} for name, value in sorted(wanted.environment.items())]
    maps = _named("configMapKeyRef", config.config_maps)
    maps += _named("configMapKeyRef", config.optional_config_maps, optional=True)
    secret = _named("secretKeyRef", wanted.secrets) + _named("secretKeyRef", config.optional_secrets, optional=True)
    return plain + [one for one in maps if one["name"] not in wanted.environment] + secret


def _named(kind: str, named: Mapping[str, Mapping[str, str]], **more: bool) -> list[dict[str, Any]]:
    """Variables from the keys of config maps or secrets."""
    return [
        {"name": variable, "valueFrom": {kind: {"name": name, "key": key, **more}}}
        for name, keys in sorted(named.items())
        for key, variable in sorted(keys.items())
    ]


def _job_set(config: TrainJobConfig) -> dict[str, Any]:
    """The JobSet's patch: only the training's pods, as no other job of the runtime is ours."""
    pod = {"spec": _pod(config)}
    return {"spec": {"replicatedJobs": [{"name": NODE, "template": {"spec": {"template": pod}}}]}}


def _pod(config: TrainJobConfig) -> dict[str, Any]:
    """What Pod Security's level `restricted` asks, which costs nothing, and what the profile says."""
    container: dict[str, Any] = {
        "name": NODE,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod: dict[str, Any] = {
        "containers": [container],
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    }
    if config.shared_memory is not None:
        container["volumeMounts"] = [{"name": "shm", "mountPath": "/dev/shm"}]
        pod["volumes"] = [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": config.shared_memory}}]
    if config.tolerations:
        pod["tolerations"] = [one.manifest() for one in config.tolerations]
    if config.node_selector:
        pod["nodeSelector"] = dict(config.node_selector)
    if config.service_account is not None:
        pod["serviceAccountName"] = config.service_account
    if config.pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in config.pull_secrets]
    return pod


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any], at: str = "spec") -> list[str]:
    """Where a job's spec is not the one that is wanted: "spec.trainer.numNodes 2, wanted 4". What others added is theirs."""
    told: list[str] = []
    for name, value in wanted.items():
        there = found.get(name)
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            told += differences(value, there, f"{at}.{name}")
        elif there != value and name not in ("suspend", "command"):
            told.append(f"{at}.{name} is {_short(there)}, wanted {_short(value)}")
    return told


def _short(value: Any) -> str:
    text = canonical.dumps(value).decode()
    return text if len(text) <= 80 else f"{text[:77]}..."
