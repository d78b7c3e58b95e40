"""Profiles that no cluster would take, or that would say too much, are refused when they are read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ratchet.errors import RecipeError
from ratchet.profile import Profile, Resources, bytes_of, seconds_of
from ratchet.profile.variables import SECRET_WORDS, check_public


def refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Profile.model_validate(given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"resources": {"trian": {}}}, "'trian' is no stage; stages: begin, generate, merge"),
        ({"timeouts": {"generate-shard": "1h"}}, "'generate-shard' is no stage"),
        ({"timeouts": {"train": "90"}}, "'90' is no length of time; write such as 30m, 12h or 2d, or never"),
        ({"timeouts": {"train": "0h"}}, "is no length of time"),
        ({"resources": {"train": {"memory": "1.5Gi"}}}, "'1.5Gi' is no amount of bytes that KFP takes"),
        ({"resources": {"train": {"memory": "0"}}}, "'0' is no amount"),
        ({"resources": {"train": {"memory": "64000k"}}}, "'64000k' is no amount"),
        ({"resources": {"train": {"cpu": "four"}}}, "'four' is no number of CPUs"),
        ({"resources": {"train": {"memory": "4Gi", "shm": "8Gi"}}}, "shm is 8Gi, but it counts as memory"),
        ({"resources": {"train": {"gpu": "a100"}}}, "gpu"),
        ({"security": {"run_as_user": 0}}, "run_as_user is 0, which is root"),
        ({"queue": "two words"}, "cannot be a label's value"),
        ({"labels": {"a b": "c"}}, "cannot be the key of a label"),
        ({"secrets": {"Upper": {"k": "V"}}}, "'Upper' is no name of Kubernetes"),
        ({"secrets": {"s": {"a/b": "V"}}}, "secrets"),
        ({"secrets": {"s": {"k": "not-a-variable"}}}, "secrets"),
        ({"pull_policy": "Sometimes"}, "pull_policy"),
        ({"api": "kfp.example"}, "api"),
        ({"api": "https://me:pass@kfp.example"}, "api"),
        ({"prices": {"gpu_hour": -1}}, "gpu_hour"),
        ({"secrets": {"a": {"k": "V"}}, "config_maps": {"b": {"k": "V"}}}, "V is given twice, by config_maps.b and by secrets.a"),
        ({"secrets": {"a": {"k": "V"}}, "optional_secrets": {"a": {"l": "V"}}}, "V is given twice"),
    ],
)  # fmt: skip
def test_what_no_cluster_would_take_is_refused(given: dict[str, Any], said: str) -> None:
    refused(given, said)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("HF_TOKEN", "x"),
        ("MLFLOW_TRACKING_PASSWORD", "x"),
        ("OPENAI_API_KEY", "x"),
        ("DATABASE", "postgresql://me:pass@db/x"),
        ("ID", "AKIA" + "A" * 16),
        ("HUB", "hf_" + "a" * 30),
        ("PEM", "-----BEGIN PRIVATE KEY-----"),
        ("JWT", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.x"),
    ],
)
def test_the_value_of_a_secret_can_not_be_given_and_is_not_repeated(name: str, value: str) -> None:
    with pytest.raises(
        RecipeError, match=rf"environment sets {name} openly.*set secrets: {{NAME: {{KEY: {name}}}}}"
    ) as told:
        Profile.load(Profile().model_copy(update={"environment": {name: value}}).model_dump_json())
    assert value == "x" or value not in str(told.value)


@given(
    words=st.lists(st.sampled_from(["AWS", "MY", "HUB", "X1"]), max_size=3),
    secret=st.sampled_from(sorted(SECRET_WORDS)),
    last=st.sampled_from(["", "ID", "OLD"]),
    value=st.text(max_size=20),
)
def test_a_variable_that_is_named_for_a_secret_is_never_plain(
    words: list[str], secret: str, last: str, value: str
) -> None:
    name = "_".join(word for word in (*words, secret, last) if word)
    with pytest.raises(ValueError, match="openly"):
        check_public({name: value})


@pytest.mark.parametrize(
    "name",
    ["TOKENIZERS_PARALLELISM", "AWS_WEB_IDENTITY_TOKEN_FILE", "KEYBOARD", "MLFLOW_TRACKING_URI", "OMP_NUM_THREADS"],
)
def test_variables_that_only_look_like_secrets_may_be_plain(name: str) -> None:
    check_public({name: "s3://bucket/prefix"})


def test_a_message_of_a_bad_profile_repeats_no_value_that_may_be_a_secret() -> None:
    with pytest.raises(RecipeError) as told:
        Profile.load("{secrets: {s3: hunter2}, token: hunter2, retries: 99}")
    assert "hunter2" not in str(told.value)
    assert "retries: Input should be less than or equal to 10 (given: 99)" in str(told.value)
    assert "token: unknown key" in str(told.value)


def test_what_the_profile_says_for_all_is_beside_what_a_stage_says() -> None:
    profile = Profile.model_validate(
        {
            "queue": "all",
            "labels": {"team": "a", "cost": "1"},
            "tolerations": [{"key": "x"}],
            "prices": {"gpu_hour": 2.5, "currency": "EUR"},
            "resources": {"train": {"queue": "gpus", "labels": {"team": "b"}, "tolerations": [{"key": "y"}]}},
        }
    )
    train, verify = profile.resources_of("train"), profile.resources_of("verify")
    assert (train.queue, verify.queue) == ("gpus", "all")
    assert train.labels == {"team": "b", "cost": "1"}
    assert [one.key for one in train.tolerations] == ["x", "y"]
    assert verify.prices == train.prices == profile.prices
    assert Profile().resources_of("verify") == Resources()


def test_shards_have_what_their_stage_has() -> None:
    profile = Profile.model_validate({"resources": {"generate": {"gpus": 1}}, "timeouts": {"generate": "2h"}})
    assert profile.resources_of("generate-shard") == profile.resources_of("generate")
    assert profile.timeout_of("generate-shard") == 7200
    assert profile.timeout_of("merge") == 3600


def test_quantities_and_times_in_plain_numbers() -> None:
    assert [bytes_of(one) for one in ("1", "1k", "1Ki", "2Gi", "1T")] == [1, 1000, 1024, 2**31, 10**12]
    assert [seconds_of(one) for one in ("30s", "2m", "12h", "3d", "never")] == [30, 120, 43200, 259200, None]
    with pytest.raises(ValueError, match="no whole number of bytes"):
        bytes_of("1.5Gi")
    assert Resources(gpus=1, memory="3Gi").shared_memory == "1536Mi"
    assert Resources(gpus=1, memory="3Gi", shm="1Gi").shared_memory == "1Gi"
    assert Resources(memory="3Gi").shared_memory is None


def test_a_lease_must_end_and_is_said_once() -> None:
    with pytest.raises(RecipeError, match="a lease must end"):
        Profile.load("name: x\nlease: never\n")
    with pytest.raises(RecipeError, match="RATCHET_LEASE_SECONDS is given twice"):
        Profile.load("name: x\nlease: 2h\nenvironment: {RATCHET_LEASE_SECONDS: '9'}\n")
