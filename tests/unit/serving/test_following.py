"""The served model follows the alias: canary, share, all traffic."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from ratchet.errors import PlatformError, StillRolling
from ratchet.serving import Follower, ServingConfig, show
from tests.fake_cluster import NAMESPACE
from tests.unit.loops import LOOP
from tests.unit.serving.conftest import World


def test_the_first_champion_is_deployed_and_asked_the_validation_prompts_with_their_pictures(world: World) -> None:
    told = world.follow()
    assert (told.state, told.serving) == ("served", "1")
    assert len(world.pods.asked) == 3
    assert all("data:image/png;base64" in str(one["messages"]) for one in world.pods.asked)


def test_a_second_call_changes_nothing(world: World) -> None:
    world.follow()
    before = world.object()["metadata"]["generation"]
    assert world.follow().state == "unchanged"
    assert world.object()["metadata"]["generation"] == before


def test_a_new_champion_takes_all_traffic_after_its_canary(world: World) -> None:
    world.follow()
    version = world.promote()
    told = world.follow()
    assert (told.state, told.serving) == ("served", version)
    assert any("share" in words or "%" in words for words in world.said)
    assert world.follow().state == "unchanged"


def test_a_move_that_is_no_longer_true_touches_nothing(world: World) -> None:
    world.follow()
    world.promote()
    told = world.follow(version="1")
    assert (told.state, told.serving) == ("superseded", "1")


def test_a_champion_that_moves_on_during_the_canary_ends_it(world: World) -> None:
    world.follow()
    world.promote()
    from ratchet.serving import follow

    def move_on(words: str) -> None:
        if words.startswith("it answers"):
            world.promote()

    config = world.config(soak_seconds=5)
    told = follow(world.settings, LOOP, None, config, cluster=world.cluster, say=move_on)
    assert (told.state, told.serving) == ("superseded", "1")
    assert (world.follow().state, world.follow().serving) == ("served", "3")


PLACED = {
    "node_selector": {"pool": "gpu"},
    "tolerations": [{"key": "nvidia.com/gpu"}],
    "service_account": "served",
    "pull_secrets": ["registry"],
}
FIELDS = {"nodeSelector", "tolerations", "serviceAccountName", "imagePullSecrets"}


def test_what_the_config_no_longer_says_is_gone_from_the_pods_and_comes_back(world: World) -> None:
    plain = world.config()
    placed = ServingConfig.model_validate({**plain.model_dump(), **PLACED})
    for config, there in ((placed, FIELDS), (plain, set()), (placed, FIELDS)):
        assert world.follow(config=config).state == "served"
        assert FIELDS & world.pod().keys() == there


def test_a_takeover_that_fails_puts_back_exactly_what_was_there(deployments: World) -> None:
    from ratchet.serving import follow

    deployments.follow()
    before = deployments.pod()
    # Its canary must be there within this time, which the takeover that fails is waited for.
    placed = ServingConfig.model_validate({**deployments.config(ready_minutes=0.1).model_dump(), **PLACED})

    def fail(words: str) -> None:
        if words.endswith("takes all traffic"):
            deployments.pods.never_ready.add("1")

    told = follow(deployments.settings, LOOP, None, placed, cluster=deployments.cluster, say=fail)
    assert (told.state, told.serving) == ("aborted", "1")
    assert deployments.pod() == before


def test_notes_make_no_further_revision(kserve: World) -> None:
    """KServe copies annotations of an InferenceService into the template of its pods."""
    kserve.follow()
    kserve.promote()
    kserve.follow()
    kserve.pods.text = ""
    kserve.promote()
    assert kserve.follow().state == "aborted"
    assert kserve.pods.revisions(f"ratchet-{LOOP}") == ["1", "2", "3"]


def test_a_share_of_a_version_that_is_champion_no_more_is_taken_back(kserve: World) -> None:
    from ratchet.serving import follow

    class Killed(BaseException):
        pass

    def die(words: str) -> None:
        if words.startswith("version"):
            raise Killed

    kserve.follow()
    version = kserve.promote()
    with pytest.raises(Killed):
        follow(kserve.settings, LOOP, None, kserve.config(), cluster=kserve.cluster, say=die)
    assert kserve.registry.set_champion(LOOP, "1", expected=version)
    told = kserve.follow()
    assert (told.state, told.serving) == ("unchanged", "1")
    assert kserve.object()["spec"]["predictor"]["canaryTrafficPercent"] == 0


def test_a_served_model_that_somebody_deleted_is_made_again(world: World) -> None:
    world.follow()
    plural = "deployments" if world.kind == "deployment" else "inferenceservices"
    world.fake.state.delete(world.fake.kind(plural), NAMESPACE, f"ratchet-{LOOP}")
    assert show(LOOP, world.config(), world.cluster).state == "absent"
    assert (world.follow().state, world.follow().state) == ("served", "unchanged")


def test_the_service_is_the_stable_pods_alone_before_and_after(deployments: World) -> None:
    deployments.follow()
    deployments.promote()
    deployments.follow()
    selector = deployments.object(plural="services")["spec"]["selector"]
    assert selector == {"app.kubernetes.io/instance": "ratchet-mine", "ratchet.internal/track": "stable"}
    assert deployments.names("deployments") == deployments.names("services") == ["ratchet-mine"]


def test_the_canary_shares_the_services_traffic_only_after_it_answered(deployments: World) -> None:
    from ratchet.serving import follow

    deployments.follow()
    deployments.promote()
    seen = {}

    def look(words: str) -> None:
        if words.startswith(("trying", "version")):
            seen[words.split()[0]] = deployments.object(plural="services")["spec"]["selector"]

    follow(deployments.settings, LOOP, None, deployments.config(), cluster=deployments.cluster, say=look)
    assert seen["trying"]["ratchet.internal/track"] == "stable"
    assert "ratchet.internal/track" not in seen["version"]


def test_a_roll_that_was_killed_goes_on_where_it_was(world: World) -> None:
    from ratchet.serving import follow

    world.follow()
    version = world.promote()

    class Killed(BaseException):
        pass

    for moment in ("trying", "it answers", "version"):

        def die(words: str, moment: str = moment) -> None:
            if words.startswith(moment):
                raise Killed

        with pytest.raises(Killed):
            follow(world.settings, LOOP, None, world.config(), cluster=world.cluster, say=die)
    assert (world.follow().serving, world.follow().state) == (version, "unchanged")


def test_kserve_shares_traffic_as_the_config_says(kserve: World) -> None:
    from ratchet.serving import follow

    kserve.follow()
    kserve.promote()
    shares = []

    def look(words: str) -> None:
        shares.append(kserve.object()["spec"]["predictor"].get("canaryTrafficPercent"))

    follow(kserve.settings, LOOP, None, kserve.config(percent=25), cluster=kserve.cluster, say=look)
    assert shares == [100, 0, 25]
    assert kserve.object()["spec"]["predictor"]["canaryTrafficPercent"] == 100


def test_an_api_server_that_is_away_for_a_moment_is_asked_again(world: World) -> None:
    world.fake.refuse("get", 503, times=2)
    assert world.follow().state == "served"


def test_missing_rights_name_the_role(world: World) -> None:
    world.fake.roles = []
    with pytest.raises(PlatformError, match=f"manifests/components/serving-{world.kind}"):
        world.follow()


def test_a_trigger_is_told_to_come_again_until_the_roll_has_ended(world: World) -> None:
    class Move:
        target = "1"

    follower = Follower(world.settings, world.config(), lambda: world.cluster)
    with pytest.raises(StillRolling, match="is being rolled out"):
        follower(LOOP, Move())
    for _ in range(2000):
        with suppress(StillRolling):
            follower(LOOP, Move())
            break
        time.sleep(0.05)
    assert show(LOOP, world.config(), world.cluster).serving == "1"
