"""From a version and the config to the objects of the cluster. The same version and config make the same objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ratchet import canonical
from ratchet.registry.base import ModelVersion
from ratchet.serving.config import ServingConfig

DOMAIN = "ratchet.internal"
VERSION = f"{DOMAIN}/version"
SPEC = f"{DOMAIN}/spec"
"""Digest of the pods as they were asked for: the cluster adds defaults to what it stores."""
LOOP = f"{DOMAIN}/loop"
INSTANCE = "app.kubernetes.io/instance"
TRACK = f"{DOMAIN}/track"
STABLE, CANARY = "stable", "canary"
PORT = 8080
MODEL = "/models/champion"
KSERVE = ("serving.kserve.io", "v1beta1", "inferenceservices", "InferenceService")
CONTAINER = "kserve-container"
Object = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """A version of a loop's model, to be served as `config` says."""

    loop: str
    version: ModelVersion
    config: ServingConfig

    @property
    def name(self) -> str:
        return self.config.name_of(self.loop)

    @property
    def spec(self) -> str:
        """By which a later call knows its own pods again."""
        return canonical.digest([pod(self), self.config.kind, self.config.replicas])


def labels(wanted: Wanted) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "ratchet",
        "app.kubernetes.io/part-of": "ratchet",
        "app.kubernetes.io/component": "serving",
        INSTANCE: wanted.name,
        LOOP: wanted.loop,
    }


def noted(wanted: Wanted) -> dict[str, str]:
    return {VERSION: wanted.version.version, SPEC: wanted.spec}


def note_object(name: str) -> str:
    return f"{name}-served"


def pod(wanted: Wanted) -> Object:
    """One container fetches the model by its digest, the other serves it. Level restricted, any user id, read-only root."""
    config = wanted.config
    resources = {"cpu": config.cpu, "memory": config.memory}
    if config.gpus:
        resources[config.gpu] = str(config.gpus)
    # No more for the pod while it is not above what serves: the two do not run at once.
    fetching = {"memory": config.fetch_memory or config.memory}
    fetch = ["ratchet", "serving", "fetch", "--loop", wanted.loop, "--version", wanted.version.version]
    fetch += ["--digest", wanted.version.digest, "--to", MODEL]
    serve = ["python", "-m", "vllm.entrypoints.openai.api_server", "--model", MODEL, "--served-model-name", wanted.loop]
    serve += ["--port", str(PORT), *config.arguments]
    spec: Object = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "initContainers": [
            {
                **_container(config, "fetch", fetch),
                "resources": {"requests": {"cpu": "1", **fetching}, "limits": {"cpu": "2", **fetching}},
            }
        ],
        "containers": [
            {
                **_container(config, CONTAINER, serve),
                "ports": [{"name": "http1", "containerPort": PORT, "protocol": "TCP"}],
                "resources": {"requests": resources, "limits": resources},
                **_probes(config),
            }
        ],
        "volumes": [
            {"name": "models", "emptyDir": {"sizeLimit": config.disk}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": config.shared_memory}},
        ],
    }
    if config.node_selector:
        spec["nodeSelector"] = dict(config.node_selector)
    if config.tolerations:
        spec["tolerations"] = [one.manifest() for one in config.tolerations]
    if config.service_account is not None:
        spec["serviceAccountName"] = config.service_account
    if config.pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in config.pull_secrets]
    return spec


def _container(config: ServingConfig, name: str, command: list[str]) -> Object:
    plain = [{"name": key, "value": value} for key, value in sorted(config.environment.items())]
    secret = [*_secret(config.secrets), *_secret(config.optional_secrets, optional=True)]
    mounts = {"models": "/models", "tmp": "/tmp", "shm": "/dev/shm"}
    return {
        "name": name,
        "image": config.image,
        "command": command,
        "env": [{"name": "RATCHET_CACHE", "value": "/models/cache"}, *plain, *secret],
        **({"envFrom": [{"configMapRef": {"name": config.config_map}}]} if config.config_map else {}),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": volume, "mountPath": path} for volume, path in mounts.items()],
    }


def _secret(named: Mapping[str, Mapping[str, str]], **more: bool) -> list[Object]:
    return [
        {"name": variable, "valueFrom": {"secretKeyRef": {"name": name, "key": key, **more}}}
        for name, keys in sorted(named.items())
        for key, variable in sorted(keys.items())
    ]


def _probes(config: ServingConfig) -> Object:
    health = {"httpGet": {"path": "/health", "port": PORT}}
    tries = max(int(config.canary.ready_minutes * 6), 1)
    return {
        "startupProbe": {**health, "periodSeconds": 10, "failureThreshold": tries},
        "livenessProbe": {**health, "periodSeconds": 30, "timeoutSeconds": 10},
        "readinessProbe": {**health, "periodSeconds": 10, "timeoutSeconds": 10},
    }


def deployment(wanted: Wanted, track: str) -> Object:
    """`stable` carries the traffic; `canary` is one pod beside it."""
    stable = track == STABLE
    selector = {INSTANCE: wanted.name, TRACK: track}
    note = noted(wanted)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": wanted.name if stable else f"{wanted.name}-canary",
            "labels": {**labels(wanted), TRACK: track},
            "annotations": note,
        },
        "spec": {
            "replicas": wanted.config.replicas if stable else 1,
            "revisionHistoryLimit": 2,
            # A new pod answers before an old one goes, whose GPU is needed once more for that time.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "progressDeadlineSeconds": int(wanted.config.canary.ready_minutes * 60),
            "selector": {"matchLabels": selector},
            "template": {
                "metadata": {"labels": {**labels(wanted), TRACK: track}, "annotations": note},
                "spec": pod(wanted),
            },
        },
    }


def service(wanted: Wanted, track: str) -> Object:
    stable = track == STABLE
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": wanted.name if stable else f"{wanted.name}-canary", "labels": labels(wanted)},
        "spec": {
            "selector": {INSTANCE: wanted.name, TRACK: track},
            "ports": [{"name": "http", "port": 80, "targetPort": "http1", "protocol": "TCP"}],
        },
    }


def inference_service(wanted: Wanted, percent: int | None = None) -> Object:
    """`percent`: of the traffic for this version; None where there is no earlier one. It is Knative that shares traffic, so
    KServe's mode Serverless is asked for, and the newest revision gets an address of its own. Addresses are the cluster's own:
    the trigger, which asks them, need not reach the gateway from outside."""
    predictor: Object = {
        "minReplicas": wanted.config.replicas,
        "maxReplicas": wanted.config.replicas,
        "labels": labels(wanted),
        **pod(wanted),
    }
    if percent is not None:
        predictor["canaryTrafficPercent"] = percent
    return {
        "apiVersion": f"{KSERVE[0]}/{KSERVE[1]}",
        "kind": KSERVE[3],
        "metadata": {
            "name": wanted.name,
            "labels": {**labels(wanted), "networking.knative.dev/visibility": "cluster-local"},
            "annotations": {
                **noted(wanted),
                # Knative gives a revision up after ten minutes otherwise.
                "serving.knative.dev/progress-deadline": f"{max(int(wanted.config.canary.ready_minutes * 60), 1)}s",
                "serving.kserve.io/deploymentMode": "Serverless",
                "serving.kserve.io/enable-tag-routing": "true",
            },
        },
        "spec": {"predictor": predictor},
    }
