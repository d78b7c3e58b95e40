"""Whatever a profile says, every task of the compiled round has all of it."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ratchet.pipelines.round import round_pipeline
from ratchet.profile import QUEUE_LABEL, Profile
from ratchet.profile.tasks import PLACES
from tests.contract.compiled import IMAGES, config_maps, executors, pods, secrets, tasks, well_formed

NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
LABELS = st.dictionaries(NAMES, NAMES, max_size=2)
SIZES = st.builds("{}{}".format, st.integers(1, 512), st.sampled_from(["Gi", "Mi", "G", "Ti"]))
VARIABLES = st.from_regex(r"V_[A-Z]{1,6}", fullmatch=True)
TOLERATIONS = st.lists(
    st.one_of(
        st.fixed_dictionaries({"key": NAMES, "effect": st.sampled_from(["NoSchedule", "NoExecute", None])}),
        st.fixed_dictionaries({"key": NAMES, "operator": st.just("Equal"), "value": NAMES}),
    ),
    max_size=2,
)
PLACED = st.fixed_dictionaries(
    {
        "cpu": st.sampled_from(["1", "0.5", "500m", "16"]),
        "memory": SIZES,
        "gpu": st.sampled_from(["nvidia.com/gpu", "amd.com/gpu", "nvidia.com/mig-1g.10gb"]),
        "scratch": st.none() | SIZES,
        "node_selector": LABELS,
        "tolerations": TOLERATIONS,
        "queue": st.none() | NAMES,
        "labels": LABELS,
        "annotations": LABELS,
    }
)
DURATIONS = st.builds("{}{}".format, st.integers(1, 90), st.sampled_from(["s", "m", "h", "d"])) | st.just("never")


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    resources = draw(st.dictionaries(st.sampled_from(PLACES), PLACED, max_size=5))
    for stage in resources.keys() - {"train"}:
        resources[stage] = resources[stage] | {"gpus": draw(st.integers(0, 4))}
    named = iter(draw(st.lists(VARIABLES, min_size=8, max_size=8, unique=True)))
    fields = ("secrets", "optional_secrets", "config_maps", "optional_config_maps")
    return Profile.model_validate(
        {
            "images": IMAGES,
            "resources": resources,
            "timeouts": draw(st.dictionaries(st.sampled_from(PLACES), DURATIONS, max_size=4)),
            "parallelism": draw(st.sampled_from([1, 3])),
            "retries": draw(st.integers(0, 3)),
            "pull_policy": draw(st.sampled_from(["Always", "IfNotPresent", "Never"])),
            "image_pull_secrets": draw(st.lists(NAMES, max_size=2, unique=True)),
            "node_selector": draw(LABELS),
            "tolerations": draw(TOLERATIONS),
            "queue": draw(st.none() | NAMES),
            "labels": draw(LABELS),
            "annotations": draw(LABELS),
            "security": {"run_as_user": draw(st.none() | st.integers(1, 2**31))},
            "environment": {next(named): draw(NAMES)},
            **{field: {draw(NAMES): {draw(NAMES): next(named)}} for field in fields},
        }
    )


def taints(pod: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [
        tuple(one.get(word) for word in ("key", "operator", "value", "effect")) for one in pod.get("tolerations", ())
    ]


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=[Phase.explicit, Phase.generate]
)
@given(profile=profiles())
def test_for_any_profile_every_task_has_every_setting(profile: Profile) -> None:
    built = round_pipeline(profile)
    made = {
        "spec": json_format.MessageToDict(built.pipeline_spec),
        "platform": json_format.MessageToDict(built.platform_spec),
    }
    well_formed(made)
    assert pods(made).keys() == executors(made).keys()
    for task, pod in pods(made).items():
        asked, container = profile.resources_of(task), executors(made)[task]
        assert container["image"] == profile.image(task)
        assert container["resources"]["resourceCpuLimit"] == container["resources"]["resourceCpuRequest"] == asked.cpu
        assert container["resources"]["resourceMemoryLimit"] == asked.memory
        gpus = container["resources"].get("accelerator", {})
        assert int(gpus.get("resourceCount", 0)) == asked.gpus
        assert gpus.get("resourceType", asked.gpu) == asked.gpu
        mounts = {one["mountPath"]: one.get("sizeLimit") for one in pod["emptyDirMounts"]}
        shm = {} if asked.shared_memory is None else {"/dev/shm": asked.shared_memory}
        assert mounts == {"/tmp": asked.scratch, **shm}
        assert pod.get("nodeSelector", {}).get("labels", {}) == asked.node_selector
        assert taints(pod) == [(t.key, t.operator, t.value, t.effect) for t in asked.tolerations]
        assert asked.labels.items() <= pod["podMetadata"]["labels"].items()
        assert pod["podMetadata"]["labels"].get(QUEUE_LABEL) == asked.queue
        assert pod["podMetadata"].get("annotations", {}) == asked.annotations
        assert int(pod.get("activeDeadlineSeconds", 0)) == (profile.timeout_of(task) or 0)
        assert pod["imagePullPolicy"] == profile.pull_policy
        assert [one["secretName"] for one in pod.get("imagePullSecret", ())] == [*profile.image_pull_secrets]
        assert pod["securityContext"].get("runAsUser") == (
            None if profile.security.run_as_user is None else str(profile.security.run_as_user)
        )
        held = {"RATCHET_LEASE_SECONDS": "21600"}
        assert {one["name"]: one["value"] for one in container["env"]} == profile.environment | held
        named = ((profile.secrets, False), (profile.optional_secrets, True))
        assert secrets(pod) == {(name, optional): keys for given, optional in named for name, keys in given.items()}
        maps = ((profile.config_maps, False), (profile.optional_config_maps, True))
        assert config_maps(pod) == {(name, optional): keys for given, optional in maps for name, keys in given.items()}
        retried = tasks(made)[task].get("retryPolicy", {}).get("maxRetryCount", 0)
        assert retried == profile.retries
