"""The records of rounds: names, ends, failures, and what is found from the store alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet import canonical, rounds
from ratchet.errors import RoundError, TrainError
from ratchet.rounds import RoundEnd
from ratchet.stage import STEPS
from ratchet.store import Stat, open_store
from ratchet.store.memory import MemoryStore
from tests.unit.loops import LOOP, leave, leave_all, new_loop, opened


@pytest.mark.parametrize("name", ["", "Upper", "-dash", "a/b", "..", "a" * 64, "blank name"])
def test_a_loop_name_that_is_no_folder_name_is_refused(name: str) -> None:
    with pytest.raises(RoundError, match=r"loop name .* must be lower-case"):
        rounds.check_loop_name(name)


class Raced(MemoryStore):
    """Another writes the same end between our look at it and our write, once."""

    other: RoundEnd | None = None

    def put_if(self, key: str, data: bytes, *, absent: bool = False, etag: str | None = None) -> Stat:
        if etag is not None and self.other is not None:
            other, self.other = self.other, None
            self.put(key, canonical.pretty(other.model_dump(mode="json")))
        return super().put_if(key, data, absent=absent, etag=etag)


def test_of_two_who_end_a_round_at_once_both_get_the_end_that_stands() -> None:
    store = Raced()
    pending = RoundEnd(state="PENDING", reason="waits", job="a")
    promoted = RoundEnd(state="PROMOTED", reason="approved by ada", job="a")
    rounds.write_end(store, LOOP, 1, pending)
    store.other = promoted
    assert rounds.write_end(store, LOOP, 1, promoted.model_copy(update={"reason": "approved by bob"})) == promoted
    assert rounds.read_end(store, LOOP, 1) == promoted


def test_a_failed_end_can_be_completed_and_any_other_is_final(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    failed = RoundEnd(state="FAILED", reason="train: killed", job="a")
    assert rounds.write_end(store, LOOP, 1, failed) == failed
    again = RoundEnd(state="FAILED", reason="other", job="b")
    assert rounds.write_end(store, LOOP, 1, again) == failed
    promoted = RoundEnd(state="PROMOTED", reason="better", job="a")
    assert rounds.write_end(store, LOOP, 1, promoted) == promoted
    refused = RoundEnd(state="REFUSED", reason="not_better", job="c")
    assert rounds.write_end(store, LOOP, 1, refused) == promoted
    assert rounds.read_end(store, LOOP, 1) == promoted


def test_a_reopened_round_keeps_what_it_said(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    rounds.reopen(store, LOOP, 1)
    end = rounds.write_end(store, LOOP, 1, RoundEnd(state="FAILED", reason="train: killed", job="a"))
    rounds.reopen(store, LOOP, 1)
    assert rounds.read_end(store, LOOP, 1) is None
    assert RoundEnd.model_validate_json(store.get(f"loops/{LOOP}/rounds/0001/ends/a.json")) == end


def test_failures_are_told_by_run(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    ticket = rounds.Ticket(root=str(tmp_path), loop=LOOP, number=1, job="a", epoch=1)
    rounds.write_failure(store, ticket, "train", ValueError("x" * 9000))
    rounds.write_failure(store, ticket.model_copy(update={"job": "b"}), "verify", KeyError("gone"))
    assert rounds.read_failures(store, LOOP, 1, "a") == {"train": f"ValueError: {'x' * 4000}"}
    assert rounds.read_failures(store, LOOP, 1, "b") == {"verify": "KeyError: 'gone'"}


@pytest.fixture
def ticket(tmp_path: Path) -> rounds.Ticket:
    return rounds.Ticket(root=str(tmp_path), loop=LOOP, number=1, job="a", epoch=1)


def fail(ticket: rounds.Ticket, part: str, error: Exception, stage: str = "generate") -> None:
    rounds.write_failure(open_store(ticket.root), ticket, stage, error, part)


def said(ticket: rounds.Ticket) -> dict[str, str]:
    return rounds.read_failures(open_store(ticket.root), LOOP, 1, ticket.job)


def test_parts_of_a_stage_keep_their_failures_apart_and_are_told_together(ticket: rounds.Ticket) -> None:
    fail(ticket, "shard 10", OSError("disk full"))
    fail(ticket, "shard 2", OSError("disk full"))
    fail(ticket, "shard 3", ValueError("bad row"))
    fail(ticket, "merge", KeyError("gone"))
    fail(ticket, "", TrainError("loss is NaN"), "train")
    fail(ticket.model_copy(update={"job": "b"}), "shard 2", OSError("of another run"))
    assert said(ticket) == {
        "generate": "merge: KeyError: 'gone'; shard 2, shard 10: OSError: disk full; shard 3: ValueError: bad row",
        "train": "TrainError: loss is NaN",
    }


def test_a_part_that_went_well_at_last_takes_back_only_its_own_failure(ticket: rounds.Ticket) -> None:
    for part in ("shard 1", "shard 11", "merge", ""):
        fail(ticket, part, ValueError(part))
    store = open_store(ticket.root)
    rounds.forget_failure(store, ticket, "generate", "shard 1")
    assert said(ticket)["generate"] == "ValueError: ; merge: ValueError: merge; shard 11: ValueError: shard 11"
    for part in ("shard 11", "merge", ""):
        rounds.forget_failure(store, ticket, "generate", part)
    assert said(ticket) == {}


def test_many_failures_are_told_in_few_words(ticket: rounds.Ticket) -> None:
    for number in range(20):
        fail(ticket, f"shard {number}", ValueError("the same"))
    assert said(ticket)["generate"] == "shard 0, shard 1, shard 2, shard 3, and 16 more: ValueError: the same"
    for number in range(20):
        fail(ticket, f"shard {number}", ValueError(number))
    assert said(ticket)["generate"].endswith("; shard 3: ValueError: 3; and 16 other failures")


def test_a_failure_without_a_part_in_it_is_read(ticket: rounds.Ticket) -> None:
    old = {"stage": "train", "job": "a", "error": "OSError", "message": "from before"}
    open_store(ticket.root).put(f"{rounds.round_prefix(LOOP, 1)}/failures/train-a.json", canonical.pretty(old))
    assert said(ticket) == {"train": "OSError: from before"}


def test_what_fails_is_kept_until_it_goes_well(ticket: rounds.Ticket) -> None:
    with pytest.raises(ValueError, match="bad row"), rounds.keeping_failure(ticket, "generate", "shard 0"):
        raise ValueError("bad row")
    assert said(ticket) == {"generate": "shard 0: ValueError: bad row"}
    with rounds.keeping_failure(ticket, "generate", "shard 1"):
        pass
    assert said(ticket) == {"generate": "shard 0: ValueError: bad row"}
    with rounds.keeping_failure(ticket, "generate", "shard 0"):
        pass
    assert said(ticket) == {}


def test_the_finished_stages_are_found_and_nothing_below_them(tmp_path: Path) -> None:
    settings = new_loop(tmp_path)
    store = open_store(settings.root)
    ticket = opened(settings)
    assert rounds.manifests(store, LOOP, 1) == {}
    made = leave(store, ticket, "filter")
    data = store.get(f"{store.key(made.uri)}/manifest.json")
    store.put(f"{store.key(made.uri)}/excluded/manifest.json", data)
    assert rounds.manifests(store, LOOP, 1) == {"filter": made}
    leave_all(store, ticket, but=("filter",))
    assert set(rounds.manifests(store, LOOP, 1)) == set(STEPS)


def test_an_unknown_round_or_run_is_said(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    with pytest.raises(RoundError, match=r"loop mine has no round 3 .*`ratchet status --loop mine`"):
        rounds.read_round(store, LOOP, 3)
    assert rounds.read_run(store, LOOP, "job") is None
    assert rounds.numbers(store, LOOP) == []
    assert rounds.loops(store) == []


def test_a_round_of_another_version_is_told_in_words(tmp_path: Path) -> None:
    settings = new_loop(tmp_path)
    opened(settings)
    store = open_store(settings.root)
    key = f"{rounds.round_prefix(LOOP, 1)}/round.json"
    body = canonical.loads(store.get(key))
    body["recipe"]["generate"]["shard_size"] = 450
    store.put(key, canonical.pretty(body))
    with pytest.raises(RoundError, match=r"round 1 of loop mine .* another version of ratchet .*generate\.shard_size"):
        rounds.read_round(store, LOOP, 1)


def test_a_round_of_an_older_ratchet_is_read_with_the_defaults_that_it_wrote_for_other_methods(tmp_path: Path) -> None:
    settings = new_loop(tmp_path)
    store, ticket = open_store(settings.root), opened(settings)
    now = rounds.read_round(store, LOOP, ticket.number)
    assert now.recipe.train.method == "sft"
    stored = now.model_dump(mode="json")
    stored["recipe"]["train"] |= {"beta": 0.1, "loss": ["sigmoid", "sft"]}
    key = f"{rounds.round_prefix(LOOP, ticket.number)}/round.json"
    store.put(key, canonical.pretty(stored))
    assert rounds.read_round(store, LOOP, ticket.number) == now
    stored["recipe"]["train"]["beta"] = 0.3
    store.put(key, canonical.pretty(stored))
    with pytest.raises(RoundError, match="another version of ratchet"):
        rounds.read_round(store, LOOP, ticket.number)
