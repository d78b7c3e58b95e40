"""Where a process works: from the environment, and what is missing is said."""

from __future__ import annotations

import pytest

from ratchet.errors import RatchetError
from ratchet.settings import Settings, without_login


def test_settings_come_from_the_environment_and_lead_others_to_the_same_places() -> None:
    first = Settings.from_environment({"RATCHET_ROOT": "s3://b/x", "MLFLOW_TRACKING_URI": "http://mlflow:5000"})
    assert (first.root, first.registry, first.profile) == ("s3://b/x", "http://mlflow:5000", None)
    assert Settings.from_environment(first.environment()) == first


def test_the_registry_of_ours_goes_before_mlflow() -> None:
    given = {"RATCHET_ROOT": "x", "MLFLOW_TRACKING_URI": "http://mlflow:5000", "RATCHET_REGISTRY": "store"}
    assert Settings.from_environment(given).registry == "store"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, r"RATCHET_ROOT is not set: .*s3://bucket/prefix or a folder.*--embedded FOLDER"),
        ({"RATCHET_ROOT": ""}, "RATCHET_ROOT is not set"),
        ({"RATCHET_ROOT": "x"}, "no registry: set MLFLOW_TRACKING_URI .* or RATCHET_REGISTRY=store"),
    ],
)
def test_what_is_missing_is_named_with_what_to_set(given: dict[str, str], said: str) -> None:
    with pytest.raises(RatchetError, match=said):
        Settings.from_environment(given)


def test_no_login_of_an_address_is_shown() -> None:
    said = without_login("RegistryUnavailable: http://team:hunter2@mlflow:5000 and s3://b/x do not answer")
    assert said == "RegistryUnavailable: http://***@mlflow:5000 and s3://b/x do not answer"
