"""Profiles: where a round runs, and what it has."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from ratchet import recipe
from ratchet.errors import RecipeError
from ratchet.profile import IMAGE_OF_TASK, Profile, Resources, threads
from ratchet.recipe import Recipe
from ratchet.stage import STAGES


def test_every_stage_has_an_image_in_the_local_profile() -> None:
    assert set(IMAGE_OF_TASK) == {*STAGES, "generate-shard", "merge"}
    assert set(IMAGE_OF_TASK.values()) == set(Profile().images)


def test_a_profile_comes_from_a_file_from_text_or_is_the_local_one(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text("name: cluster\nretries: 3\nresources: {train: {gpus: 1}}\n")
    loaded = Profile.load(str(file))
    assert (loaded.name, loaded.retries, loaded.resources_of("train").gpus) == ("cluster", 3, 1)
    assert loaded.resources_of("verify") == Resources()
    assert Profile.load(loaded.model_dump_json()) == loaded
    assert Profile.load(None) == Profile.load("") == Profile()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("gone.yaml", "no profile file gone.yaml; give a path"),
        ("{retries: -1}", "profile given inline is not valid:.*retries"),
        ("{image: x}", "profile given inline is not valid:.*image"),
        ("{name: [", "profile given inline is not valid"),
    ],
)
def test_a_bad_profile_is_named(given: str, said: str) -> None:
    with pytest.raises(RecipeError, match=f"(?s){said}"):
        Profile.load(given)


def test_a_recipe_that_needs_more_than_the_profile_has_is_refused() -> None:
    Profile().check(recipe.load("dpo"))
    with pytest.raises(
        RecipeError, match=r"trains by sft; profile local allows dpo\. Change train\.method, or compile"
    ):
        Profile(methods=("dpo",)).check(Recipe(name="a"))
    with pytest.raises(RecipeError, match=r"engine transformers; profile local has vllm\. Change generate\.engine"):
        Profile(engines=("vllm",)).check(Recipe(name="a"))


def test_threads_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert threads() == 1


CLUSTER = {
    "core": "r.example/core@sha256:1",
    "inference": "r.example/inf@sha256:2",
    "training": "r.example/train@sha256:3",
}
SERVED = {"j": {"engine": {"kind": "endpoint", "model": "m"}}}


def judged(judges: dict[str, object], **verifier: object) -> Recipe:
    verify = {"verifiers": [{"name": "rubric", **verifier}], "judges": judges}
    return Recipe.model_validate({"name": "judged", "verify": verify})


def test_a_judge_that_runs_in_the_stage_needs_an_image_with_torch() -> None:
    cluster = Profile(name="cluster", images=CLUSTER)
    local_model = {"j": {"model": "hf://org/judge@1"}}
    for recipe_ in (judged({}), judged({}, judge="seed"), judged(local_model, judge="j")):
        with pytest.raises(
            RecipeError, match=r"gives verify the image core, which has no torch\. Set image_of: \{verify: inf"
        ):
            cluster.check(recipe_)
        cluster.model_copy(update={"image_of": {"verify": "inference"}}).check(recipe_)
        Profile().check(recipe_)
    cluster.check(judged(SERVED, judge="j"))
    # A judge that nobody asks needs nothing.
    cluster.check(Recipe.model_validate({"name": "a", "verify": {"judges": local_model}}))


def test_a_judge_needs_an_engine_that_the_profile_has() -> None:
    with pytest.raises(
        RecipeError, match=r"asks judge j with engine endpoint; profile .* Change verify\.judges\.j\.engine"
    ):
        Profile(engines=("transformers",)).check(judged(SERVED, judge="j"))


def test_a_tasks_image_can_be_another_sets() -> None:
    profile = Profile(images=CLUSTER, image_of={"verify": "inference"})
    assert profile.image("verify") == CLUSTER["inference"]
    assert {task: profile.image(task) for task in IMAGE_OF_TASK if task != "verify"} == {
        task: CLUSTER[name] for task, name in IMAGE_OF_TASK.items() if task != "verify"
    }
    with pytest.raises(RecipeError, match="image_of names 'verfy', which is no task"):
        Profile.load("{image_of: {verfy: inference}}")
    with pytest.raises(RecipeError, match="gives verify the set 'gpu'; images has core"):
        Profile.load("{image_of: {verify: gpu}}")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("launcher: {processes: 2}", "inprocess is one process, but asks for 1 x 2.*set launcher.kind: torchrun"),
        ("launcher: {strategy: fsdp}", "inprocess is one process.*strategy fsdp"),
        ("launcher: {kind: torchrun, nodes: 2}", "one machine, but nodes is 2; use trainjob"),
        ("launcher: {kind: trainjob}", "launcher.trainjob is not set"),
        ("launcher: {kind: torchrun, trainjob: {}}", "kind is torchrun and launcher.trainjob is set"),
        ("resources: {train: {gpus: 2}}", "inprocess starts 1 processes.*kind: torchrun, processes: 2"),
        ("launcher: {kind: torchrun, processes: 4}\nresources: {train: {gpus: 2}}", "gpus is 2, but .* starts 4"),
    ],
)
def test_a_launcher_that_contradicts_itself_is_refused_when_the_profile_is_read(given: str, said: str) -> None:
    with pytest.raises(RecipeError, match=f"(?s){said}"):
        Profile.load(f"{given}\n")


def test_a_batch_that_the_processes_cannot_share_is_refused_before_anything_runs() -> None:
    two = Profile.load("{name: two, launcher: {kind: torchrun, processes: 3}}")
    two.check(Recipe.model_validate({"name": "a", "train": {"batch_size": 9}}))
    with pytest.raises(RecipeError, match=r"recipe a does not fit profile two: train\.batch_size 8 .* multiple of 3"):
        two.check(Recipe.model_validate({"name": "a", "train": {"batch_size": 8}}))


def trained(**train: object) -> Recipe:
    return Recipe.model_validate({"name": "a", "filter": {"pairs": {}}, "train": train})


GROUPS: dict[str, object] = {"method": "grpo", "rl": {"k": 8}}
SHARDED = "launcher: {kind: torchrun, processes: 2, strategy: fsdp}"


def test_groups_that_the_processes_would_tear_apart_are_refused_before_anything_runs() -> None:
    two = Profile.load("{name: two, launcher: {kind: torchrun, processes: 2}}")
    two.check(trained(**GROUPS, batch_size=16))
    Profile().check(trained(**GROUPS, batch_size=8))
    with pytest.raises(
        RecipeError, match=r"batch_size 8 gives each of the 2 .* 4 completions, .* make it a multiple of 16"
    ):
        two.check(trained(**GROUPS, batch_size=8))


def test_a_process_with_one_row_of_ktos_is_refused_before_anything_runs() -> None:
    two = Profile.load("{name: two, launcher: {kind: torchrun, processes: 2}}")
    two.check(trained(method="kto", batch_size=4))
    two.check(trained(method="kto", loss="apo_zero_unpaired", batch_size=2))
    with pytest.raises(RecipeError, match=r"batch_size 2 leaves each of the 2 processes .* one row, .* set 4 or more"):
        two.check(trained(method="kto", batch_size=2))


@pytest.mark.parametrize("mode", ["colocate", "server"])
def test_rollouts_of_vllm_need_gpus_of_training(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    served = trained(method="grpo", batch_size=16, rl={"rollouts": mode})
    pods = "launcher: {{kind: trainjob, trainjob: {{gpus: {0}}}}}\nimages: {{training: r.example/t}}\n"
    for given in (Profile(images=CLUSTER), Profile.load(pods.format(0))):
        with pytest.raises(RecipeError, match=rf"rollouts {mode} .*training has none; set it to model or auto"):
            given.check(served)
    Profile(images=CLUSTER, resources={"train": Resources(gpus=1)}).check(served)
    Profile.load(pods.format(1)).check(served)
    for here, refused in ((0, True), (1, False)):
        monkeypatch.setattr("ratchet.profile.machine.gpus_here", lambda here=here: here)
        with pytest.raises(RecipeError, match="training has none") if refused else nullcontext():
            Profile().check(served)


@pytest.mark.parametrize(
    ("train", "said"),
    [
        ({"pictures": {"conditional": 1}}, "train.pictures asks the model again .* set launcher.strategy to ddp"),
        ({"pictures": {"noised": 1}}, "train.pictures asks the model again"),
        ({"checkpoints": {"best": "validation"}}, "best is validation, but .* set best to last"),
    ],
)
def test_what_fsdp_cannot_do_is_refused_before_anything_runs(train: dict[str, object], said: str) -> None:
    Profile.load(SHARDED.replace("fsdp", "ddp") + "\n").check(trained(method="dpo", **train))
    Profile.load(f"{SHARDED}\n").check(trained(method="dpo", pictures={"anchor": 1}))
    with pytest.raises(RecipeError, match=said):
        Profile.load(f"{SHARDED}\n").check(trained(method="dpo", **train))
