"""Where the tasks of a compiled round run: what a profile says is in the IR for every task, and nothing else is."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ratchet.profile import QUEUE_LABEL, Profile, loading
from ratchet.profile.tasks import place_of
from tests.contract.compiled import (
    IMAGES,
    WITH_SHARDS,
    compiled,
    config_maps,
    executors,
    pods,
    secrets,
    tasks,
    well_formed,
)

ROOT = Path(__file__).resolve().parents[2]
GPU = ("generate-shard", "train", "evaluate")
TAINT = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
CLUSTER: dict[str, Any] = {
    "name": "cluster",
    "images": IMAGES,
    "pull_policy": "Always",
    "image_pull_secrets": ["registry"],
    "parallelism": 4,
    "retries": 2,
    "node_selector": {"pool": "ratchet"},
    "labels": {"team": "vision"},
    "annotations": {"sidecar.istio.io/inject": "false"},
    "security": {"run_as_user": 1000, "run_as_group": 2000},
    "timeouts": {"train": "3d", "generate": "12h", "finish": "never"},
    "secrets": {"s3": {"access": "AWS_ACCESS_KEY_ID", "secret": "AWS_SECRET_ACCESS_KEY"}},
    "optional_secrets": {"hub": {"token": "HF_TOKEN"}},
    "config_maps": {"ratchet": {"RATCHET_ROOT": "RATCHET_ROOT"}},
    "optional_config_maps": {"ratchet": {"AWS_REGION": "AWS_REGION"}},
    "environment": {"TOKENIZERS_PARALLELISM": "false"},
    "api": "https://kfp.example/pipeline",
    "experiment": "of-a-team",
    "resources": {
        stage: {
            "cpu": "8",
            "memory": "64Gi",
            "gpus": 1,
            "gpu": "nvidia.com/mig-3g.40gb",
            "scratch": "200Gi",
            "queue": "gpus",
            "node_selector": {"gpu": "a100"},
            "tolerations": [TAINT],
            "labels": {"team": "training", "app.kubernetes.io/part-of": "vision"},
        }
        for stage in ("generate", "train", "evaluate")
    },
}


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return compiled(Profile.model_validate(CLUSTER))


@pytest.fixture(scope="module")
def on_cpus() -> dict[str, Any]:
    return compiled(Profile.model_validate({"name": "cpus", "images": IMAGES}))


def test_every_task_is_placed(made: dict[str, Any], on_cpus: dict[str, Any]) -> None:
    assert sorted(pods(made)) == sorted(executors(made)) == sorted(WITH_SHARDS)
    assert sorted(pods(on_cpus)) == sorted(executors(on_cpus))


def test_stages_with_gpus_ask_for_their_kind_and_the_others_for_none(made: dict[str, Any]) -> None:
    for task, container in executors(made).items():
        asked = container["resources"].get("accelerator")
        assert (asked is not None) == (task in GPU), task
        if asked is not None:
            assert (asked["resourceType"], asked["resourceCount"]) == ("nvidia.com/mig-3g.40gb", "1")


def test_without_gpus_nothing_asks_for_one_and_shm_is_the_containers_own(on_cpus: dict[str, Any]) -> None:
    assert "accelerator" not in on_cpus["text"]
    assert "/dev/shm" not in on_cpus["text"]


def test_requests_are_limits(made: dict[str, Any]) -> None:
    for task, container in executors(made).items():
        cpu, memory = ("8", "64Gi") if task in GPU else ("2", "4Gi")
        asked = {name: value for name, value in container["resources"].items() if name.startswith("resource")}
        assert asked == {
            "resourceCpuLimit": cpu,
            "resourceCpuRequest": cpu,
            "resourceMemoryLimit": memory,
            "resourceMemoryRequest": memory,
        }


def test_gpu_stages_have_half_their_memory_as_shm_and_all_have_scratch(made: dict[str, Any]) -> None:
    for task, pod in pods(made).items():
        mounts = {one["mountPath"]: one for one in pod["emptyDirMounts"]}
        assert mounts["/tmp"].get("sizeLimit") == ("200Gi" if task in GPU else None)
        assert mounts.get("/dev/shm") == (
            {"mountPath": "/dev/shm", "volumeName": "shm", "medium": "Memory", "sizeLimit": "32768Mi"}
            if task in GPU
            else None
        )


def test_nodes_taints_and_queues_are_the_stages_beside_the_profiles(made: dict[str, Any]) -> None:
    for task, pod in pods(made).items():
        own = task in GPU
        assert pod["nodeSelector"]["labels"] == {"pool": "ratchet"} | ({"gpu": "a100"} if own else {})
        assert pod.get("tolerations", []) == ([TAINT] if own else [])
        labels = pod["podMetadata"]["labels"]
        assert labels.get(QUEUE_LABEL) == ("gpus" if own else None)
        assert labels["team"] == ("training" if own else "vision")
        assert labels["app.kubernetes.io/component"] == place_of(task)
        assert labels["app.kubernetes.io/part-of"] == ("vision" if own else "ratchet")
        assert pod["podMetadata"]["annotations"] == {"sidecar.istio.io/inject": "false"}


def test_each_try_of_a_task_has_an_end(made: dict[str, Any], on_cpus: dict[str, Any]) -> None:
    days = {"train": 3 * 86400, "generate-shard": 43200, "begin": 3600, "verify": 86400}
    found = {task: int(pod.get("activeDeadlineSeconds", 0)) for task, pod in pods(made).items()}
    assert {task: found[task] for task in days} == days
    assert found.pop("finish") == 0
    assert all(found.values())
    assert all(int(pod["activeDeadlineSeconds"]) >= 3600 for pod in pods(on_cpus).values())


def test_every_task_is_tried_again_and_none_uses_the_cache_of_kfp(made: dict[str, Any]) -> None:
    found = {name: task for name, task in tasks(made).items() if name in WITH_SHARDS}
    assert {name: task["retryPolicy"]["maxRetryCount"] for name, task in found.items()} == dict.fromkeys(WITH_SHARDS, 2)
    assert not any(task.get("cachingOptions", {}).get("enableCache", False) for task in tasks(made).values())


def test_a_lease_outlasts_the_wait_for_a_place(made: dict[str, Any]) -> None:
    for container in executors(made).values():
        assert {"name": "RATCHET_LEASE_SECONDS", "value": "21600"} in container["env"]
    assert Profile(lease="2d").lease_seconds == 2 * 86400
    assert Profile().lease_seconds is None


def test_containers_run_as_the_profile_says_and_never_as_root(made: dict[str, Any], on_cpus: dict[str, Any]) -> None:
    named = {"runAsUser": "1000", "runAsGroup": "2000", "runAsNonRoot": True}
    assert all(pod["securityContext"] == named for pod in pods(made).values())
    assert all(pod["securityContext"] == {"runAsNonRoot": True} for pod in pods(on_cpus).values())


def test_images_are_pulled_as_the_profile_says(made: dict[str, Any]) -> None:
    for pod in pods(made).values():
        assert pod["imagePullPolicy"] == "Always"
        assert [one["secretName"] for one in pod["imagePullSecret"]] == ["registry"]


def test_secrets_and_config_maps_are_names_and_only_the_optional_ones_may_be_missing(made: dict[str, Any]) -> None:
    for pod in pods(made).values():
        assert secrets(pod) == {
            ("s3", False): CLUSTER["secrets"]["s3"],
            ("hub", True): CLUSTER["optional_secrets"]["hub"],
        }
        assert {name: keys for (name, _), keys in config_maps(pod).items()}.keys() == {"ratchet"}
        assert [one.get("optional", False) for one in pod["configMapAsEnv"]] == [False, True]


def test_a_container_learns_its_pod_from_the_cluster(made: dict[str, Any]) -> None:
    for pod in pods(made).values():
        assert {one["name"]: one["fieldPath"] for one in pod["fieldPathAsEnv"]} == {
            "RATCHET_POD": "metadata.name",
            "RATCHET_POD_UID": "metadata.uid",
            "RATCHET_NAMESPACE": "metadata.namespace",
        }


def test_the_same_profile_gives_the_same_bytes_wherever_it_is_submitted(made: dict[str, Any]) -> None:
    elsewhere = CLUSTER | {"api": "https://other.example", "experiment": None}
    assert compiled(Profile.model_validate(elsewhere))["text"] == made["text"]
    changed = CLUSTER | {"retries": 3}
    assert compiled(Profile.model_validate(changed))["text"] != made["text"]


def test_no_host_no_folder_and_no_user_of_this_machine_is_in_it(made: dict[str, Any]) -> None:
    for word in (str(ROOT), str(Path.home()), socket.gethostname(), "kfp.example"):
        assert not re.search(rf"(?<![\w.]){re.escape(word)}(?![\w.])", made["text"]), word


def test_begin_reads_the_profile_that_was_compiled_but_for_where_it_is_submitted(made: dict[str, Any]) -> None:
    given = tasks(made)["begin"]["inputs"]["parameters"]["profile"]["runtimeValue"]["constant"]
    profile = Profile.model_validate(CLUSTER)
    assert Profile.load(given) == profile.model_copy(update={"api": None, "experiment": None})


def test_what_the_ui_asks_for_says_what_it_is(made: dict[str, Any]) -> None:
    parameters = made["spec"]["root"]["inputDefinitions"]["parameters"]
    assert all(len(one["description"]) > 20 for one in parameters.values())
    assert {name: one.get("defaultValue") for name, one in parameters.items()} == {
        "recipe": None,
        "loop": None,
        "seed": "champion",
        "budget": 0.0,
        "resume": False,
        "origin": "person",
    }


@pytest.mark.parametrize("name", loading.names())
def test_a_shipped_profile_compiles_with_images_of_ones_own(name: str) -> None:
    profile = Profile.load(name)
    made = compiled(profile if profile.here else profile.with_images(IMAGES))
    with_gpus = {task for task, one in executors(made).items() if "accelerator" in one["resources"]}
    assert {place_of(task) for task in with_gpus} == {stage for stage, asked in profile.resources.items() if asked.gpus}
    well_formed(made)


def test_compiling_loads_no_client_and_hides_none() -> None:
    code = (
        "import sys, os, ratchet.pipelines.compile; assert not {'kubernetes', 'kfp.client', 'requests'} & {*sys.modules}; "
        "import kfp, kubernetes; assert kfp.Client.__name__ == 'Client'; assert kubernetes.client.V1Pod; "
        "assert kfp.components and not hasattr(kfp, 'nothing') and '_KFP_RUNTIME' not in os.environ"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
