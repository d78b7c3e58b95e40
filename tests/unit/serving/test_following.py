"""The served model follows the alias: canary, share, all traffic; and back where the canary is no good."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial

import pytest

from ratchet.errors import PlatformError, StillRolling
from ratchet.serving import Follower, ServingConfig, abort, manifest, show
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
    told = abort(world.settings, LOOP, world.config(), "wrong language", "ada", world.cluster)
    assert (told.state, told.version, told.serving) == ("aborted", version, "1")
    assert (world.follow().why, world.follow().by) == ("wrong language", "ada")


def test_what_a_person_said_stands_where_the_roll_it_ended_fails_or_would_go_on(world: World) -> None:
    from ratchet.serving import follow

    def end(health: int, words: str) -> None:
        if words.startswith("it answers"):
            abort(world.settings, LOOP, world.config(), "wrong language", "ada", world.cluster)
            world.pods.health = health

    world.follow()
    version = world.promote()
    for health in (503, 200):
        told = follow(
            world.settings, LOOP, None, world.config(), cluster=world.cluster, say=partial(end, health), again=True
        )
        world.pods.health = 200
        assert (told.state, told.version, told.serving) == ("aborted", version, "1")
        shown = show(LOOP, world.config(), world.cluster)
        assert [(one.why, one.by) for one in (told, shown)] == [("wrong language", "ada")] * 2
    world.pods.text = " "
    told = world.follow(again=True)
    assert ("was not answered" in (told.why or ""), told.by) == (True, None), "a new try has its own reason"


def test_nothing_to_abort_is_said(world: World) -> None:
    with pytest.raises(PlatformError, match="nothing serves loop mine"):
        abort(world.settings, LOOP, world.config(), "no", "ada", world.cluster)
    assert show(LOOP, world.config(), world.cluster).state == "absent"


def test_a_first_version_that_does_not_answer_is_no_success(world: World) -> None:
    world.pods.health = 503
    told = world.follow()
    assert (told.state, told.serving) == ("aborted", None)


def test_a_first_version_that_was_aborted_is_remembered_and_not_tried_again_unasked(world: World) -> None:
    world.pods.health = 503
    world.follow()
    world.pods.health = 200
    said = len(world.said)
    assert (world.follow().state, len(world.said)) == ("aborted", said)
    told = show(LOOP, world.config(), world.cluster)
    assert (told.state, told.version, told.serving) == ("aborted", "1", None)
    assert "503" in (told.why or "")
    assert (world.follow(again=True).serving, world.follow().state) == ("1", "unchanged")


def test_a_first_version_that_was_aborted_holds_no_pods(world: World) -> None:
    world.pods.health = 503
    world.follow()
    if world.kind == "deployment":
        assert world.object()["spec"]["replicas"] == 0
    else:
        assert world.names("inferenceservices") == []


def test_a_champion_after_a_first_that_was_aborted_is_tried(world: World) -> None:
    world.pods.never_ready.add("1")
    world.follow()
    version = world.promote()
    assert (world.follow().serving, world.follow().state) == (version, "unchanged")
    assert show(LOOP, world.config(), world.cluster).why is None


def test_a_person_ends_the_roll_of_a_first_version(world: World) -> None:
    """In a process that was killed while its pods started."""
    wanted = world.wanted()
    made = {"deployment": manifest.deployment(wanted, manifest.STABLE), "kserve": manifest.inference_service(wanted)}
    world.cluster.create(made[world.kind])
    assert show(LOOP, world.config(), world.cluster).state == "rolling"
    told = abort(world.settings, LOOP, world.config(), "not yet", "ada", world.cluster)
    assert (told.state, told.version, told.serving) == ("aborted", "1", None)
    assert (world.follow().state, world.follow().why) == ("aborted", "not yet")


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
    placed = ServingConfig.model_validate({**deployments.config().model_dump(), **PLACED})

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
    for _ in range(200):
        with suppress(StillRolling):
            follower(LOOP, Move())
            break
        time.sleep(0.05)
    assert show(LOOP, world.config(), world.cluster).serving == "1"
