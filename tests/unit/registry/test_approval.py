"""A round that waits for a person: what approve, reject and the next begin make of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ratchet import rounds
from ratchet.errors import RoundError
from ratchet.recipe import PromoteConfig, Recipe
from ratchet.registry.approval import ANSWER_NOTE, ANSWERED_BY, Answer, answer, pending, read_answer, settle
from ratchet.registry.base import DECISION
from ratchet.registry.promotion import history, promote
from ratchet.registry.stage import run
from ratchet.registry.store_registry import StoreRegistry
from ratchet.rounds import RoundEnd
from ratchet.store import Store, open_store
from tests.unit.registry.rows import crown, outcomes, stage

LOOP = "mine"
BETTER = outcomes(wins=60, losses=20)
YES = Answer(verdict="approve", by="ada", note="looked at the flips")
NO = Answer(verdict="reject", by="ada", note="clocks")


@pytest.fixture
def store(tmp_path) -> Store:
    return open_store(str(tmp_path))


@pytest.fixture
def registry(store) -> StoreRegistry:
    return StoreRegistry(store)


def wait(store, registry, seed, *, number=1, ended=None, rows=BETTER, **policy):
    """A round whose gate has said promote, and that finish has ended."""
    recipe = Recipe(name="tests", promote=PromoteConfig(decision="human", **policy))
    context = stage(store, seed, rows, number=number, candidate=f"candidate {number}", recipe=recipe)
    rounds.write_round(store, context.round)
    results = run(context).results
    end = RoundEnd(
        state=results["state"], reason=results["words"][-1], job="job", candidate=results["candidate"],
        champion=results["champion"], ended=ended or datetime.now(UTC),
    )  # fmt: skip
    return rounds.write_end(store, LOOP, number, end)


@pytest.fixture
def seed(store, registry):
    return crown(registry, store, LOOP)


def test_a_promotion_that_waits_moves_nothing_and_says_how_to_answer(store, registry, seed):
    end = wait(store, registry, seed)
    assert (end.state, registry.champion(LOOP).version, pending(store, LOOP)) == ("PENDING", "1", [1])
    assert "`ratchet approve --loop mine --round 1`" in end.reason
    assert registry.version(LOOP, "2").tags[DECISION] == "PENDING"


def test_what_the_gate_refuses_waits_for_nobody(store, registry, seed):
    assert wait(store, registry, seed, rows=outcomes(wins=20, losses=60)).state == "REFUSED"
    with pytest.raises(RoundError, match="no round of loop mine waits"):
        answer(registry, store, LOOP, None, YES)


def test_approved_it_is_promoted_once_with_author_and_time(store, registry, seed):
    wait(store, registry, seed)
    number, end = answer(registry, store, LOOP, None, YES)
    assert (number, end.state, end.champion, registry.champion(LOOP).version) == (1, "PROMOTED", "2", "2")
    tags = registry.version(LOOP, "2").tags
    assert (tags[DECISION], tags[ANSWERED_BY], tags[ANSWER_NOTE]) == ("PROMOTED", "ada", "looked at the flips")
    move = history(store, LOOP)[-1]
    assert (move.intent.by, move.intent.round, move.moved) == ("ada", 1, True)
    assert "approved by ada" in move.intent.reason
    assert answer(registry, store, LOOP, 1, Answer(verdict="approve", by="bob")) == (number, end)
    assert read_answer(store, LOOP, 1) == YES
    assert len(history(store, LOOP)) == 2


def test_rejected_it_is_refused_and_stays_so(store, registry, seed):
    wait(store, registry, seed)
    _, end = answer(registry, store, LOOP, 1, NO)
    assert (end.state, registry.champion(LOOP).version) == ("REFUSED", "1")
    assert end.reason.startswith("rejected by ada on ")
    assert end.reason.endswith(": clocks")
    with pytest.raises(RoundError, match="was rejected by ada"):
        answer(registry, store, LOOP, 1, YES)


def test_a_champion_that_moved_meanwhile_makes_it_stale(store, registry, seed):
    wait(store, registry, seed)
    other = registry.register(LOOP, "s3://b/other", "e" * 64)
    promote(registry, store, LOOP, other.version, expected="1", key="person", by="me", reason="r")
    _, end = answer(registry, store, LOOP, 1, YES)
    assert (end.state, registry.champion(LOOP).version) == ("STALE", other.version)
    assert "what was proved is not proved against that one" in end.reason


def test_an_answer_that_was_killed_half_way_is_carried_out_by_the_next_begin(store, registry, seed, monkeypatch):
    wait(store, registry, seed)

    class Killed(BaseException):
        pass

    def killed(*_, **__):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(StoreRegistry, "set_champion", killed)
        with pytest.raises(Killed):
            answer(registry, store, LOOP, 1, YES)
    assert pending(store, LOOP) == [1]
    settle(registry, store, LOOP)
    assert (pending(store, LOOP), registry.champion(LOOP).version) == ([], "2")
    assert rounds.read_end(store, LOOP, 1).state == "PROMOTED"


def test_the_next_begin_refuses_until_it_is_answered_and_says_until_when(store, registry, seed):
    wait(store, registry, seed)
    with pytest.raises(RoundError, match=r"round 1 of loop mine waits for a person.*counts as rejected from"):
        settle(registry, store, LOOP)
    answer(registry, store, LOOP, 1, NO)
    settle(registry, store, LOOP)


def test_a_round_that_nobody_answers_expires_and_nothing_was_promoted(store, registry, seed):
    wait(store, registry, seed, ended=datetime.now(UTC) - timedelta(days=8))
    settle(registry, store, LOOP)
    end = rounds.read_end(store, LOOP, 1)
    assert (end.state, registry.champion(LOOP).version) == ("REFUSED", "1")
    assert "nobody answered within 7 days" in end.reason
    with pytest.raises(RoundError, match="let expire by begin"):
        answer(registry, store, LOOP, 1, YES)


def test_without_a_time_limit_it_waits_for_ever(store, registry, seed):
    wait(store, registry, seed, ended=datetime.now(UTC) - timedelta(days=800), pending_days=None)
    with pytest.raises(RoundError, match=r"or `ratchet reject --loop mine --round 1`\. \(promote"):
        settle(registry, store, LOOP)


def test_rounds_may_go_on_meanwhile_and_then_an_answer_must_name_its_round(store, registry, seed):
    wait(store, registry, seed, while_pending="go-on")
    settle(registry, store, LOOP)
    wait(store, registry, seed, number=2, while_pending="go-on")
    with pytest.raises(RoundError, match="rounds 1, 2 of loop mine wait"):
        answer(registry, store, LOOP, None, YES)
    assert answer(registry, store, LOOP, 2, YES)[1].state == "PROMOTED"
    assert answer(registry, store, LOOP, 1, YES)[1].state == "STALE"


def test_how_a_decision_is_carried_out_is_no_other_question(store, registry, seed):
    assert PromoteConfig(decision="human").question() == PromoteConfig().question()
    assert PromoteConfig(alpha=0.01).question() != PromoteConfig().question()
