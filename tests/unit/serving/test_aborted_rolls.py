"""A version that is no good, or that a person ends, is given up: the old one stays, and nobody tries it again unasked."""

from __future__ import annotations

from functools import partial

import pytest

from ratchet.errors import PlatformError
from ratchet.serving import abort, manifest, show
from tests.unit.loops import LOOP
from tests.unit.serving.conftest import SOON, World


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
    told = world.follow(ready_minutes=SOON)
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
    world.follow(ready_minutes=SOON)
    version = world.promote()
    assert (world.follow().serving, world.follow().state) == (version, "unchanged")


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
    world.follow(ready_minutes=SOON)
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
