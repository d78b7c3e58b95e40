"""Where a profile's rounds are: names that no other profile has."""

from __future__ import annotations

from itertools import combinations

import pytest

from ratchet.platform.places import Place
from ratchet.profile import Profile


@pytest.mark.parametrize(
    ("profile", "namespace", "pipeline"),
    [
        ("cpu", "kubeflow", "ratchet-cpu"),
        ("cpu", "team-a", "ratchet-cpu.team-a"),
        ("cpu.1", "kubeflow", "ratchet-cpu.1.kubeflow"),
    ],
)
def test_a_pipeline_is_named_by_its_profile_and_a_namespace_that_is_not_the_usual_one(
    profile: str, namespace: str, pipeline: str
) -> None:
    assert Place.of(Profile(name=profile, namespace=namespace)).pipeline == pipeline


def test_profiles_of_other_names_or_namespaces_never_share_a_pipeline() -> None:
    given = [(name, space) for name in ("cpu", "cpu.a", "cpu.a.b", "cpu-a") for space in ("kubeflow", "a", "b", "a-b")]
    places = [Place.of(Profile(name=name, namespace=space)).pipeline for name, space in given]
    assert [pair for pair in combinations(places, 2) if len({*pair}) == 1] == []
