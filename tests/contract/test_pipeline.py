"""What the compiled pipeline must be, whoever runs it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

import ratchet
from ratchet.launching import LauncherConfig
from ratchet.profile import IMAGE_OF_TASK, Profile, Resources
from ratchet.stage import STAGES, STEPS
from tests.contract.compiled import IMAGES, WITH_SHARDS, compiled, executors, pods, secrets, tasks

ROOT = Path(__file__).resolve().parents[2]


SECRETS = {"s3-credentials": {"access": "AWS_ACCESS_KEY_ID", "secret": "AWS_SECRET_ACCESS_KEY"}}


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return compiled(
        Profile(
            name="cluster",
            images=IMAGES,
            resources={"train": Resources(cpu="8", memory="64Gi", gpus=1)},
            secrets=SECRETS,
            parallelism=4,
            environment={"RATCHET_ROOT": "s3://bucket/ratchet"},
        )
    )


def test_with_shards_side_by_side_generate_is_a_loop_and_a_merge(made: dict[str, Any]) -> None:
    assert sorted(executors(made)) == sorted(WITH_SHARDS)


def test_without_the_pipeline_has_exactly_the_eight_stages_and_no_loop() -> None:
    made = compiled(Profile())
    assert sorted(name.removeprefix("exec-") for name in made["spec"]["deploymentSpec"]["executors"]) == sorted(STAGES)
    assert not any("iteratorPolicy" in task for task in tasks(made).values())


def test_shards_are_one_task_each_under_the_profiles_limit_and_merge_waits_for_all(made: dict[str, Any]) -> None:
    loop = next(task for name, task in tasks(made).items() if name.startswith("for-loop"))
    assert loop["iteratorPolicy"]["parallelismLimit"] == 4
    assert loop["parameterIterator"]["items"]["inputParameter"] == "pipelinechannel--begin-Output"
    shards = tasks(made)["merge"]["inputs"]["artifacts"]["shards"]["taskOutputArtifact"]
    assert shards["outputArtifactKey"] == "pipelinechannel--generate-shard-groups"
    # A shard whose node died is run again alone: the retries are the shard's own, inside the loop.
    assert tasks(made)["generate-shard"]["retryPolicy"]["maxRetryCount"] == 1


def test_no_task_uses_the_cache_of_kfp(made: dict[str, Any]) -> None:
    for name, task in tasks(made).items():
        if name in WITH_SHARDS:
            assert not task.get("cachingOptions", {}).get("enableCache", False), name


def test_each_stage_runs_in_the_image_of_its_dependency_set(made: dict[str, Any]) -> None:
    assert {n: c["image"] for n, c in executors(made).items()} == {s: IMAGES[IMAGE_OF_TASK[s]] for s in WITH_SHARDS}


def test_a_profile_gives_a_task_the_image_of_another_set() -> None:
    profile = Profile(image_of={"verify": "inference"})
    made = compiled(profile)
    images = {name: one["image"] for name, one in executors(made).items()}
    assert images["verify"] == images["generate"] != images["filter"]


def test_only_the_stage_that_needs_a_gpu_asks_for_one(made: dict[str, Any]) -> None:
    with_gpu = [n for n, c in executors(made).items() if c.get("resources", {}).get("accelerator")]
    assert with_gpu == ["train"]


def test_finish_runs_whatever_happens_and_gets_parameters_only(made: dict[str, Any]) -> None:
    finish = tasks(made)["finish"]
    assert finish["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"
    assert "artifacts" not in finish["inputs"]
    assert set(finish["inputs"]["parameters"]) == {"job", "loop"}


def test_finish_shows_the_rounds_page_and_the_loops(made: dict[str, Any]) -> None:
    outputs = made["spec"]["components"]["comp-finish"]["outputDefinitions"]["artifacts"]
    kinds = {name: one["artifactType"]["schemaTitle"] for name, one in outputs.items()}
    assert kinds == {"round_report": "system.HTML", "loop_report": "system.HTML"}


@pytest.mark.parametrize("parallelism", [1, 4])
def test_every_task_has_the_secrets_as_names_alone(parallelism: int) -> None:
    # A task without them starts, and fails when it first opens the store.
    profile = Profile(secrets=SECRETS, parallelism=parallelism)
    made = compiled(profile)
    names = {(name, False): keys for name, keys in SECRETS.items()}
    expected = dict.fromkeys(executors(made), names)
    assert {"generate"} <= expected.keys() or {"generate-shard", "merge"} <= expected.keys()
    assert {name: secrets(pod) for name, pod in pods(made).items()} == expected


def test_the_parameters_in_the_ui_are_few(made: dict[str, Any]) -> None:
    parameters = made["spec"]["root"]["inputDefinitions"]["parameters"]
    assert set(parameters) == {"recipe", "loop", "seed", "budget", "resume", "origin"}
    assert parameters["origin"]["defaultValue"] == "person"
    assert "leave it as it is" in parameters["origin"]["description"]


def test_nothing_is_installed_at_run_time_and_no_path_of_this_machine_is_in_it(made: dict[str, Any]) -> None:
    assert "pip install" not in made["text"]
    assert str(ROOT) not in made["text"]


def test_train_alone_is_told_the_profiles_launcher_when_the_pipeline_is_compiled() -> None:
    profile = Profile.model_validate({"launcher": {"kind": "torchrun", "processes": 4, "strategy": "fsdp"}})
    made = compiled(profile)
    told = {n: t.get("inputs", {}).get("parameters", {}).get("launcher") for n, t in tasks(made).items()}
    assert {name for name, launcher in told.items() if launcher} == {"train"}
    assert LauncherConfig.model_validate_json(told["train"]["runtimeValue"]["constant"]) == profile.launcher


def test_the_body_carries_the_version_that_begin_compares(made: dict[str, Any]) -> None:
    begin = tasks(made)["begin"]["inputs"]["parameters"]
    assert begin["version"]["runtimeValue"]["constant"] == ratchet.__version__


@pytest.mark.parametrize("stage", STAGES)
def test_a_component_is_a_thin_face(stage: str) -> None:
    source = (ROOT / "components" / stage / "component.py").read_text()
    tree = ast.parse(source)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert [f.name for f in functions] == ([stage, "generate_shard", "merge"] if stage == "generate" else [stage])
    assert len(source.splitlines()) <= 40
    imported = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert imported <= {"kfp", "kfp.dsl", "typing"}
    assert (ROOT / "components" / stage / "README.md").is_file()


@pytest.mark.parametrize("stage", STEPS)
def test_a_component_hands_on_the_parents_that_its_stage_declares(stage: str) -> None:
    source = (ROOT / "components" / stage / "component.py").read_text()
    for parent in STEPS[stage].parents:
        assert f'"{parent}"' in source
