"""Uploads of the compiled round: only what has changed becomes a version."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet.errors import RecipeError
from ratchet.platform.deploying import check_images, deploy, deploy_file
from ratchet.platform.places import Place
from ratchet.profile import Profile
from ratchet.services.fake_pipelines import FakePipelines, Fault
from tests.pipelines import IR, client, pipeline_file

PLACE = Place("ratchet-gpu", "kubeflow", "ratchet", None, None)


def test_the_same_file_is_uploaded_once(tmp_path: Path) -> None:
    with FakePipelines() as fake:
        first = deploy_file(client(fake), PLACE, pipeline_file(tmp_path))
        again = deploy_file(client(fake), PLACE, pipeline_file(tmp_path))
        assert len(fake.state.versions) == 1
    assert (first.new, again.new) == (True, False)
    assert first.version_id == again.version_id


def test_a_changed_file_becomes_the_newest_version_and_so_does_an_old_one_that_is_wanted_again(tmp_path: Path) -> None:
    other = IR.replace("small", "changed")
    with FakePipelines() as fake:
        one = client(fake)
        deploy_file(one, PLACE, pipeline_file(tmp_path))
        second = deploy_file(one, PLACE, pipeline_file(tmp_path, other))
        back = deploy_file(one, PLACE, pipeline_file(tmp_path))
        again = deploy_file(one, PLACE, pipeline_file(tmp_path, other))
        assert len(fake.state.versions) == 4
    assert [second.new, back.new, again.new] == [True, True, True]
    assert again.version == f"{second.version}-2"


def test_an_upload_whose_answer_is_lost_is_not_done_twice(tmp_path: Path) -> None:
    with FakePipelines(faults=[Fault(500, path="/upload", after=True)]) as fake:
        one = client(fake)
        assert deploy_file(one, PLACE, pipeline_file(tmp_path)).new is False
        fake.faults.append(Fault(None, path="/upload_version", after=True))
        deploy_file(one, PLACE, pipeline_file(tmp_path, IR.replace("small", "changed")))
        assert len(fake.state.versions) == 2


def test_a_pipeline_that_lost_its_versions_gets_one(tmp_path: Path) -> None:
    with FakePipelines() as fake:
        deploy_file(client(fake), PLACE, pipeline_file(tmp_path))
        fake.state.versions.clear()
        assert deploy_file(client(fake), PLACE, pipeline_file(tmp_path)).new


def test_the_compiled_round_of_a_profile_is_the_same_each_time() -> None:
    profile = Profile(name="cpu")
    with FakePipelines() as fake:
        first, again = deploy(client(fake), profile), deploy(client(fake), profile)
        (version,) = fake.state.versions.values()
    assert (first.new, again.new) == (True, False)
    assert first.digest in version["description"]
    assert first.pipeline == "ratchet-cpu"


def test_a_profile_of_this_machine_is_not_deployed() -> None:
    with pytest.raises(RecipeError, match="runs in this machine's own environment"):
        check_images(Profile(), allow_tags=False)


def test_images_that_may_change_under_a_loop_are_deployed_only_when_told() -> None:
    profile = Profile(
        name="dev", images={name: f"registry.test/{name}:1" for name in ("core", "inference", "training")}
    )
    with pytest.raises(RecipeError, match="without a digest"):
        check_images(profile, allow_tags=False)
    check_images(profile, allow_tags=True)
