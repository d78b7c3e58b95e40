"""Who follows the alias, as serving does, is told of each move until it went well, and keeps no round from starting."""

from __future__ import annotations

from ratchet.errors import PlatformUnavailable, StillRolling
from ratchet.operations.trigger.asks import Ask
from ratchet.operations.trigger.moves import AliasMove
from tests.triggered import Ground


def test_who_follows_the_alias_is_told_of_each_move_until_it_went_well(ground: Ground) -> None:
    told: list[str | None] = []

    def follow(loop: str, move: AliasMove) -> None:
        told.append(move.target)
        if len(told) == 1:
            raise PlatformUnavailable("down")

    ground.on_move = (follow,)
    ground.driver = ground.new_driver()
    assert isinstance(ground.look(), Ask), "a follower that fails keeps no round from starting"
    ground.look()
    ground.look()
    ground.person("3")
    ground.look()
    assert told == ["1", "1", "3"]
    ground.driver = ground.new_driver()
    ground.look()
    assert told == ["1", "1", "3"]
    assert b'ratchet_trigger_failures_total{where="follower"} 1.0' in ground.metrics.page()


def test_a_follower_that_is_still_at_it_is_asked_again_and_is_no_failure(ground: Ground) -> None:
    told: list[str | None] = []

    def follow(loop: str, move: AliasMove) -> None:
        told.append(move.target)
        if len(told) < 3:
            raise StillRolling("being rolled out")

    ground.on_move = (follow,)
    ground.driver = ground.new_driver()
    for _ in range(5):
        ground.look()
    assert told == ["1", "1", "1"]
    assert b'where="follower"' not in ground.metrics.page()
