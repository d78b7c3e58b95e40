"""The TrainJob that the profile makes: its name, its spec, and Kubeflow's own schema."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from ratchet.errors import RecipeError
from ratchet.launching.trainjob import Toleration, TrainJobConfig
from ratchet.profile import Profile
from ratchet.recipe import Recipe
from ratchet.services.fake_kubernetes import ObjectSchema, crd_versions
from ratchet.train.launchers.trainjob.manifest import SPEC, Owner, Wanted, differences, name_of, train_job
from tests.fake_cluster import crd, needs_crds

WANTED = Wanted(
    loop="mine",
    number=3,
    key="0123456789abcdef" * 4,
    holder="job-1/2",
    image="registry.example/ratchet-training:1",
    order='{"ticket": 1}',
    attempt="a1",
    nodes=2,
    processes=4,
    environment={"RATCHET_ROOT": "s3://bucket/root"},
    secrets={"s3": {"access": "AWS_ACCESS_KEY_ID", "secret": "AWS_SECRET_ACCESS_KEY"}},
)
EVERYTHING = TrainJobConfig(
    runtime="ratchet-torch",
    runtime_kind="TrainingRuntime",
    cpu="8",
    memory="64Gi",
    gpus=4,
    gpu="nvidia.com/gpu",
    shared_memory="8Gi",
    tolerations=(
        Toleration(key="nvidia.com/gpu", effect="NoSchedule"),
        Toleration(key="spot", operator="Equal", value="true", effect="NoExecute", seconds=60),
    ),
    node_selector={"pool": "gpu"},
    queue="team-a",
    priority="high",
    service_account="ratchet-training",
    pull_secrets=("registry",),
    hours=0.5,
    queue_hours=12,
)
OWNER = Owner("argoproj.io/v1alpha1", "Workflow", "ratchet-round-abc", "uid-1")
LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


@pytest.fixture(scope="module")
def schema() -> ObjectSchema:
    ((version, found),) = crd_versions(crd("trainer_trainjobs"))
    assert version == "v1alpha1"
    return found


def node(job: dict[str, Any]) -> dict[str, Any]:
    (patch,) = job["spec"]["runtimePatches"]
    (one,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    assert one["name"] == "node"
    return dict(one["template"]["spec"]["template"]["spec"])


@needs_crds
@pytest.mark.parametrize("config", [TrainJobConfig(), EVERYTHING, TrainJobConfig(shared_memory=None)])
@pytest.mark.parametrize("owner", [None, OWNER])
def test_kubeflow_accepts_the_job(schema: ObjectSchema, config: TrainJobConfig, owner: Owner | None) -> None:
    job = train_job(WANTED, config, owner)
    assert schema.complaints(job) == []
    assert differences(job["spec"], schema.pruned(job)["spec"]) == []


@needs_crds
@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        (("spec", "trainer", "numNodes"), "2", "spec.trainer.numNodes: '2' is not of type 'integer'"),
        (("spec", "trainer", "nodes"), 2, "'nodes' was unexpected"),
        (("spec", "podTemplateOverrides"), [], "'podTemplateOverrides' was unexpected"),
        (("spec", "runtimeRef"), {"kind": "TrainingRuntime"}, "'name' is a required property"),
        (("spec", "activeDeadlineSeconds"), 0, "0 is less than the minimum of 1"),
        (("spec", "trainer", "env"), [{"name": "A"}, {"name": "A"}], "duplicate value: {'name': 'A'}"),
        (
            ("spec", "trainer", "resourcesPerNode", "limits"),
            {"cpu": []},
            "[] is not valid under any of the given schemas",
        ),
        (("spec", "runtimePatches", 0, "manager"), None, "None is not of type 'string'"),
    ],
)
def test_kubeflows_schema_refuses_what_is_wrong(
    schema: ObjectSchema, path: tuple[Any, ...], value: Any, complaint: str
) -> None:
    job = train_job(WANTED, EVERYTHING, OWNER)
    at: Any = job
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    assert complaint in "\n".join(schema.complaints(job))


def test_a_job_says_what_each_node_runs_and_has() -> None:
    trainer = train_job(WANTED, EVERYTHING)["spec"]["trainer"]
    assert (
        " ".join(trainer["command"]) == 'python -m torch.distributed.run -m ratchet.train.worker --order {"ticket": 1}'
    )
    assert (trainer["numNodes"], trainer["numProcPerNode"], trainer["image"]) == (2, 4, WANTED.image)
    # Where one of the two lacks, Trainer starts a single process a node.
    assert trainer["resourcesPerNode"]["limits"] == trainer["resourcesPerNode"]["requests"]
    assert trainer["resourcesPerNode"]["limits"] == {"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": "4"}
    assert trainer["env"] == [
        {"name": "RATCHET_ROOT", "value": "s3://bucket/root"},
        {"name": "AWS_ACCESS_KEY_ID", "valueFrom": {"secretKeyRef": {"name": "s3", "key": "access"}}},
        {"name": "AWS_SECRET_ACCESS_KEY", "valueFrom": {"secretKeyRef": {"name": "s3", "key": "secret"}}},
    ]


def test_a_jobs_pods_are_placed_as_the_profile_says() -> None:
    pod = node(train_job(WANTED, EVERYTHING))
    assert pod["nodeSelector"] == {"pool": "gpu"}
    assert pod["serviceAccountName"] == "ratchet-training"
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert pod["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "spot", "operator": "Equal", "value": "true", "effect": "NoExecute", "tolerationSeconds": 60},
    ]
    assert pod["volumes"] == [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}}]
    assert pod["containers"][0]["volumeMounts"] == [{"name": "shm", "mountPath": "/dev/shm"}]
    # The names of variables are the container's own fields: Trainer refuses them in a patch.
    assert "env" not in pod["containers"][0]
    bare = node(train_job(WANTED, TrainJobConfig(shared_memory=None)))
    assert set(bare) == {"containers", "securityContext"}


def test_a_queued_job_waits_for_kueue_and_any_job_for_its_limit() -> None:
    queued = train_job(WANTED, EVERYTHING)
    assert queued["spec"]["suspend"] is True
    assert queued["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team-a"
    assert queued["metadata"]["labels"]["kueue.x-k8s.io/priority-class"] == "high"
    assert queued["spec"]["activeDeadlineSeconds"] == 1800
    assert {"suspend", "activeDeadlineSeconds"}.isdisjoint(train_job(WANTED, TrainJobConfig())["spec"])


def test_a_job_is_its_owners() -> None:
    assert train_job(WANTED, EVERYTHING, OWNER)["metadata"]["ownerReferences"] == [
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "ratchet-round-abc", "uid": "uid-1"}
    ]
    assert "ownerReferences" not in train_job(WANTED, EVERYTHING)["metadata"]


@pytest.mark.parametrize("loop", ["a", "my-loop", "x" * 63, "0" * 63, "a-" * 31 + "b"])
def test_a_name_fits_the_pods_that_jobset_makes_of_it(loop: str) -> None:
    name = name_of(loop, 9999, "f" * 64)
    assert LABEL.fullmatch(name)
    assert len(f"{name}-node-0-511-abcde") <= 63
    assert name == name_of(loop, 9999, "f" * 64)


def test_a_name_is_another_for_another_stage_round_or_loop() -> None:
    long = "loop-" * 10
    names = [
        name_of("a", 1, "0" * 64),
        name_of("a", 2, "0" * 64),
        name_of("a", 1, "1" * 64),
        name_of("b", 1, "0" * 64),
        name_of(f"{long}a", 1, "0" * 64),
        name_of(f"{long}b", 1, "0" * 64),
    ]
    assert len({*names}) == len(names)


def test_a_later_try_makes_the_same_job_whoever_asks_for_it() -> None:
    first, again = (
        train_job(WANTED, EVERYTHING),
        train_job(replace(WANTED, holder="job-2/3", order="{}", attempt="a2"), EVERYTHING, OWNER),
    )
    assert first["metadata"]["annotations"][SPEC] == again["metadata"]["annotations"][SPEC]
    other = train_job(replace(WANTED, nodes=4), EVERYTHING)
    assert other["metadata"]["annotations"][SPEC] != first["metadata"]["annotations"][SPEC]
    assert differences(other["spec"], first["spec"]) == ["spec.trainer.numNodes is 2, wanted 4"]


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"memory": "16 GB"}, "'16 GB' is no quantity of Kubernetes"),
        ({"priority": "high"}, "set launcher.trainjob.queue"),
        ({"queue_hours": 1}, "set launcher.trainjob.queue"),
        ({"queue": "Team A!"}, "cannot be a label's value"),
        ({"service_account": "No_Name"}, "is no name of Kubernetes"),
        ({"environment": {"PET_NNODES": "3"}}, "PET_NNODES are set by the runtime"),
        ({"tolerations": [{"key": "a", "value": "b"}]}, "with operator Equal, and only then"),
        ({"tolerations": [{"operator": "Equal", "value": "b"}]}, "needs the taint's key"),
        ({"tolerations": [{"seconds": 3}]}, "with effect NoExecute only"),
        ({"hours": 0}, "greater than 0"),
        ({"runtime": ""}, "is no name of Kubernetes"),
    ],
)
def test_a_profile_that_no_cluster_would_take_is_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(complaint)):
        TrainJobConfig.model_validate(given)


def profile(**given: Any) -> dict[str, Any]:
    return {
        "launcher": {"kind": "trainjob", "trainjob": {}},
        "images": {"core": "c", "inference": "i", "training": "t"},
        **given,
    }


def test_a_profile_hands_its_image_variables_and_secrets_to_the_job() -> None:
    launcher = {
        "kind": "trainjob",
        "trainjob": {"environment": {"B": "2"}, "secrets": {"s3": {"t": "TOKEN"}, "hf": {"t": "HF"}}},
    }
    given = profile(launcher=launcher, environment={"A": "1", "B": "1"}, secrets={"s3": {"k": "KEY"}})
    job = Profile.model_validate(given).placed_launcher.trainjob
    assert job is not None
    assert (job.image, job.environment) == ("t", {"A": "1", "B": "2"})
    assert job.secrets == {"s3": {"k": "KEY", "t": "TOKEN"}, "hf": {"t": "HF"}}
    assert Profile().placed_launcher == Profile().launcher
    waiting = Profile.model_validate(profile(image_of={"train": "core"}))
    assert waiting.image("train") == "c"
    assert waiting.placed_launcher.trainjob is not None
    assert waiting.placed_launcher.trainjob.image == "t"


def test_a_profile_hands_the_names_that_pods_may_lack_to_the_job_and_the_registrys_secret() -> None:
    named = {
        "optional_secrets": {"hub": {"token": "HF_TOKEN"}},
        "config_maps": {"ratchet": {"root": "RATCHET_ROOT"}},
        "optional_config_maps": {"ratchet": {"region": "AWS_REGION"}},
    }
    job = Profile.model_validate(profile(**named, image_pull_secrets=["registry"])).placed_launcher.trainjob
    assert job is not None
    assert job.model_dump(include={*named}) == named
    assert job.pull_secrets == ("registry",)


def test_variables_of_maps_and_secrets_are_given_once_and_the_address_of_this_process_goes_first() -> None:
    named = {
        "optional_secrets": {"hub": {"token": "HF_TOKEN"}},
        "config_maps": {"ratchet": {"root": "RATCHET_ROOT", "tracking": "MLFLOW_TRACKING_URI"}},
        "optional_config_maps": {"ratchet": {"region": "AWS_REGION"}},
    }
    given = train_job(WANTED, EVERYTHING.model_copy(update=named))["spec"]["trainer"]["env"]
    env = {one["name"]: one for one in given}
    assert env["RATCHET_ROOT"] == {"name": "RATCHET_ROOT", "value": "s3://bucket/root"}
    assert env["MLFLOW_TRACKING_URI"]["valueFrom"] == {"configMapKeyRef": {"name": "ratchet", "key": "tracking"}}
    region = {"name": "ratchet", "key": "region", "optional": True}
    assert env["AWS_REGION"]["valueFrom"] == {"configMapKeyRef": region}
    assert env["HF_TOKEN"]["valueFrom"] == {"secretKeyRef": {"name": "hub", "key": "token", "optional": True}}
    assert len(env) == len(given) == 6


def test_the_jobs_own_variables_hold_no_secret_either() -> None:
    with pytest.raises(ValidationError, match=r"launcher\.trainjob\.environment sets HF_TOKEN openly"):
        Profile.model_validate(profile(launcher={"kind": "trainjob", "trainjob": {"environment": {"HF_TOKEN": "x"}}}))


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"resources": {"train": {"gpus": 1}}}, "resources.train.gpus to 0"),
        (
            {"environment": {"AREA": "1"}, "secrets": {"s3": {"k": "AREA"}}},
            "AREA is given twice, by environment and by",
        ),
        ({"launcher": {"kind": "trainjob", "restarts": 1, "trainjob": {}}}, "the pipeline retries the stage"),
        ({"launcher": {"kind": "trainjob", "processes": 2, "trainjob": {"gpus": 4}}}, "set launcher.processes: 4"),
    ],
)
def test_a_profile_whose_job_could_not_work_is_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Profile.model_validate(profile(**given))


def test_a_round_whose_job_has_no_image_does_not_begin() -> None:
    recipe = Recipe.model_validate({"name": "tiny"})
    local = Profile().images
    with pytest.raises(RecipeError, match=r"has no image for it: images\.training is python:ratchet-training"):
        Profile.model_validate(profile(images=local)).check(recipe)
    Profile.model_validate(profile(images=local, launcher={"kind": "trainjob", "trainjob": {"image": "i"}})).check(
        recipe
    )
