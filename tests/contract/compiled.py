"""A compiled round, taken apart: what every test of the IR looks at."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2 as kubernetes
from kfp.pipeline_spec import pipeline_spec_pb2

from ratchet.pipelines.compile import compile_round
from ratchet.profile import Profile
from ratchet.stage import STAGES

DIGITS = {"core": "1", "inference": "2", "training": "3"}
IMAGES = {name: f"r.example/{name}@sha256:{digit * 64}" for name, digit in DIGITS.items()}
WITH_SHARDS = (*(stage for stage in STAGES if stage != "generate"), "generate-shard", "merge")
"""The tasks of a pipeline whose profile makes shards side by side."""


def compiled(profile: Profile) -> dict[str, Any]:
    """Pipeline spec, platform spec and the whole text."""
    with TemporaryDirectory() as folder:
        text = compile_round(profile, Path(folder) / "round.yaml").read_text()
    spec, platform = yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return {"spec": spec, "platform": platform, "text": text}


def executors(made: dict[str, Any]) -> dict[str, Any]:
    """Containers by task."""
    return {n.removeprefix("exec-"): e["container"] for n, e in made["spec"]["deploymentSpec"]["executors"].items()}


def pods(made: dict[str, Any]) -> dict[str, Any]:
    """What kfp-kubernetes says of a task's pod, by task."""
    given = made["platform"]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return {name.removeprefix("exec-"): one for name, one in given.items()}


def tasks(made: dict[str, Any]) -> dict[str, Any]:
    """Of the root and of all that lies in it."""
    found: dict[str, Any] = dict(made["spec"]["root"]["dag"]["tasks"])
    for component in made["spec"]["components"].values():
        found |= component.get("dag", {}).get("tasks", {})
    return found


def variables(pod: dict[str, Any], kind: str, key: str, name: str) -> dict[tuple[str, bool], dict[str, str]]:
    """{(name of the secret or map, whether it may be missing): {key in it: variable}}."""
    return {
        (one[name], one.get("optional", False)): {pair[key]: pair["envVar"] for pair in one["keyToEnv"]}
        for one in pod.get(kind, ())
    }


def secrets(pod: dict[str, Any]) -> dict[tuple[str, bool], dict[str, str]]:
    return variables(pod, "secretAsEnv", "secretKey", "secretName")


def config_maps(pod: dict[str, Any]) -> dict[tuple[str, bool], dict[str, str]]:
    return variables(pod, "configMapAsEnv", "configMapKey", "configMapName")


def well_formed(made: dict[str, Any]) -> None:
    """As the protocol buffers of KFP and of kfp-kubernetes have it."""
    spec = json_format.ParseDict(made["spec"], pipeline_spec_pb2.PipelineSpec())
    assert spec.pipeline_info.name == "ratchet-round"
    for pod in pods(made).values():
        json_format.ParseDict(pod, kubernetes.KubernetesExecutorConfig())
