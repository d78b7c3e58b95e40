"""The served model follows the alias: canary, share, all traffic; and back where the canary is no good."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from ratchet.errors import PlatformError
from ratchet.serving import Follower, abort, show
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


def test_a_canary_that_gives_no_answers_leaves_the_old_version_in_place(world: World) -> None:
    world.follow()
    version = world.promote()
    world.pods.text = " "
    told = world.follow()
    assert (told.state, told.version, told.serving) == ("aborted", version, "1")
    assert "was not answered" in (told.why or "")
    assert show(LOOP, world.config(), world.cluster).state == "aborted"


def test_a_canary_that_never_starts_is_given_up(world: World) -> None:
    world.follow()
    world.pods.never_ready.add(world.promote())
    told = world.follow()
    assert (told.state, told.serving) == ("aborted", "1")
    assert "was not ready within canary.ready_minutes" in (told.why or "")


def test_a_canary_that_sickens_under_traffic_is_given_up(world: World) -> None:
    world.follow()
    world.promote()
    pods = world.pods
    say = world.said.append

    def sicken(words: str) -> None:
        say(words)
        if words.startswith("it answers"):
            pods.health = 500

    from ratchet.serving import follow

    told = follow(world.settings, LOOP, None, world.config(), cluster=world.cluster, say=sicken)
    assert (told.state, told.serving) == ("aborted", "1")
    assert "stopped answering under traffic" in (told.why or "")


def test_an_aborted_version_is_not_tried_again_unless_somebody_says_so(world: World) -> None:
    world.follow()
    version = world.promote()
    world.pods.text = ""
    world.follow()
    world.pods.text = "7"
    asked = len(world.pods.asked)
    assert world.follow().state == "aborted"
    assert len(world.pods.asked) == asked
    told = world.follow(again=True)
    assert (told.state, told.serving) == ("served", version)
    assert show(LOOP, world.config(), world.cluster).state == "served"


def test_a_champion_after_an_aborted_one_is_tried(world: World) -> None:
    world.follow()
    world.pods.never_ready.add(world.promote())
    world.follow()
    version = world.promote()
    assert (world.follow().serving, world.follow().state) == (version, "unchanged")


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


def test_a_person_ends_a_canary(world: World) -> None:
    world.follow()
    version = world.promote()
    told = abort(world.settings, LOOP, world.config(), "wrong language", world.cluster)
    assert (told.state, told.version, told.serving) == ("aborted", version, "1")
    assert world.follow().why == "wrong language"


def test_nothing_to_abort_is_said(world: World) -> None:
    with pytest.raises(PlatformError, match="nothing serves loop mine"):
        abort(world.settings, LOOP, world.config(), "no", world.cluster)
    assert show(LOOP, world.config(), world.cluster).state == "absent"


def test_a_first_version_that_does_not_answer_is_no_success(world: World) -> None:
    world.pods.health = 503
    told = world.follow()
    assert (told.state, told.serving) == ("aborted", None)


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
    with pytest.raises(PlatformError, match="is being rolled out"):
        follower(LOOP, Move())
    for _ in range(200):
        with suppress(PlatformError):
            follower(LOOP, Move())
            break
        time.sleep(0.05)
    assert show(LOOP, world.config(), world.cluster).serving == "1"
