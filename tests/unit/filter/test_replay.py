"""Replay: what earlier rounds kept comes again, checked against today's fence, marked, and the same for every run."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet import canonical
from ratchet.artifacts import GROUPS, Artifact, ImageBank, Manifest, Pack, ref_of, write_pack
from ratchet.errors import Conflict
from ratchet.filter import replay
from ratchet.filter.fingerprints import fingerprints_of
from ratchet.filter.replay import again, draw
from ratchet.promptset import PromptSetWriter
from ratchet.recipe import FilterConfig, ReplayConfig
from ratchet.records import Group, Pair
from ratchet.rounds import RoundEnd, write_end, write_round
from ratchet.store import Store
from ratchet.train.rows import joined, sft_rows
from tests.rows import png
from tests.unit.filter.cases import group, prompt
from tests.unit.verify import staging

LOOP = "test"


def filtered(
    store: Store, number: int, groups: Sequence[Group], packs: Sequence[Pack] = (), held_out: Any = (), **config: Any
) -> Manifest:
    """The filter's artifact of the loop's round `number`."""
    report = PromptSetWriter(store, name="report", digest=canonical.digest(number), source="test", salt="s").finish(
        held_out
    )
    opened = staging.round_at(store, {"filter": config}).model_copy(
        update={"number": number, "salt": f"salt-{number}", "report": report.digest}
    )
    with suppress(Conflict):
        write_round(store, opened)
    verified = Artifact.open(store, _parent(store, number, groups, packs).uri, GROUPS).manifest
    return staging.run(store, opened, "filter", verify=verified)


def _parent(store: Store, number: int, groups: Sequence[Group], packs: Sequence[Pack]) -> Manifest:
    return staging.parent(store.sub(f"given-{number}-{len(groups)}"), "verify", groups, packs=packs)


def ended(store: Store, number: int, state: Any) -> None:
    write_end(store, LOOP, number, RoundEnd(state=state, reason="test", job="job"))


def passing(first: int, count: int, **fields: Any) -> list[Group]:
    return [group("+-", number, **fields) for number in range(first, first + count)]


def replayed(store: Store, manifest: Manifest) -> list[Group]:
    return [g for g in staging.rows_of(store, manifest) if g.replayed is not None]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two promoted rounds and one that was refused, each with its own prompts."""
    made = staging.store_at(tmp_path)
    for number, state in ((1, "PROMOTED"), (2, "REFUSED"), (3, "PROMOTED")):
        filtered(made, number, passing(100 * number, 12))
        ended(made, number, state)
    return made


def test_earlier_groups_make_the_asked_share_and_say_their_round(store: Store) -> None:
    made = filtered(store, 4, passing(0, 16), replay={"share": 0.2})
    came = replayed(store, made)
    assert (made.rows, made.counts["kept"], made.counts["replayed"], len(came)) == (20, 16, 4, 4)
    assert {g.replayed for g in came} <= {1, 3}
    assert sum(made.results["replay"]["rounds"].values()) == made.results["replay"]["rows"] == 4
    assert all(g.uses and any(c.kept for c in g.completions) for g in came)


def test_which_rounds_count_is_the_recipes_choice(store: Store) -> None:
    def rounds(**config: Any) -> set[int | None]:
        made = filtered(store, 4, passing(0, 40), replay={"share": 0.6, **config})
        return {g.replayed for g in replayed(store, made)}

    assert rounds() == {1, 3}
    assert rounds(rounds=1) == {3}
    assert rounds(only="any") == {1, 2, 3}
    assert rounds(only="any", rounds=2) == {2, 3}


def test_a_round_that_an_alarm_stopped_is_never_replayed(store: Store) -> None:
    filtered(store, 4, passing(400, 12))
    ended(store, 4, "STOPPED")
    made = filtered(store, 5, passing(0, 40), replay={"share": 0.6, "only": "any", "rounds": 1})
    assert {g.replayed for g in replayed(store, made)} == {3}


def test_what_is_held_out_now_or_a_duplicate_does_not_come_again(store: Store) -> None:
    held = prompt(105)
    prints = list(fingerprints_of([held], _Grey()))
    own = [*passing(0, 30), group("+-", 301)]
    made = filtered(store, 4, own, held_out=prints, replay={"share": 0.5})
    came = {g.prompt.id for g in replayed(store, made)}
    assert came.isdisjoint({held.id, prompt(301).id})
    assert (len(came), made.results["replay"]["refused"]) == (22, {"duplicate": 1, "held_out_prompt": 1})


def test_near_duplicates_of_text_do_not_come_again(store: Store) -> None:
    made = filtered(store, 4, passing(0, 1), replay={"share": 0.9}, dedup_text={"scope": "any"})
    assert replayed(store, made) == []
    assert made.results["replay"]["refused"] == {"near_duplicate_text": 24}


def test_a_replay_is_not_replayed_again(store: Store) -> None:
    fourth = filtered(store, 4, passing(0, 16), replay={"share": 0.2})
    ended(store, 4, "PROMOTED")
    fifth = filtered(store, 5, passing(500, 300), replay={"share": 0.5, "rounds": 1})
    assert {g.replayed for g in replayed(store, fifth)} == {4}
    assert fifth.results["replay"]["refused"] == {"replayed_before": fourth.counts["replayed"]}


def test_a_killed_stage_replays_the_same_and_other_rounds_make_another_artifact(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = filtered(store, 4, passing(0, 16), replay={"share": 0.3})
    for key in [store.key(one.uri) for one in store.list(store.key(whole.uri))]:
        store.delete(key)
    monkeypatch.setattr(replay, "packs_of", _dies)
    with pytest.raises(KeyboardInterrupt):
        filtered(store, 4, passing(0, 16), replay={"share": 0.3})
    monkeypatch.undo()
    assert filtered(store, 4, passing(0, 16), replay={"share": 0.3}).content_digest == whole.content_digest
    other = filtered(store, 4, passing(0, 16), replay={"share": 0.3, "only": "any"})
    assert other.uri != whole.uri


def test_without_earlier_rounds_nothing_comes(tmp_path: Path) -> None:
    made = filtered(staging.store_at(tmp_path), 1, passing(0, 4), replay={})
    assert (made.rows, made.counts["replayed"]) == (4, 0)


def test_training_sees_replayed_rows_with_their_pictures(tmp_path: Path) -> None:
    store = staging.store_at(tmp_path)

    def round_of(number: int, colour: tuple[int, int, int], **config: Any) -> Manifest:
        data = png(colour)
        pack = write_pack(store, f"images/{number}.parquet", [(ref_of(data).sha256, data)])
        groups = [group("+-", images=[ref_of(data)], question=f"{number} {n} ?") for n in range(4)]
        return filtered(store, number, groups, [pack], **config)

    round_of(1, (250, 0, 0))
    ended(store, 1, "PROMOTED")
    made = round_of(2, (0, 0, 250), replay={"share": 0.5})
    rows = sft_rows(staging.rows_of(store, made))
    assert (len(rows), len(made.packs)) == (8, 2)
    trained = joined(rows, ImageBank(store, made.packs), tmp_path / "rows.arrow")
    assert {image.getpixel((0, 0)) for row in trained for image in row["images"]} == {(250, 0, 0), (0, 0, 250)}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 2), max_size=40), st.integers(0, 50), st.floats(0.05, 0.9))
def test_the_share_is_never_exceeded_and_reached_where_enough_is_there(
    codes: list[int], kept: int, share: float
) -> None:
    keys = np.arange(len(codes), dtype=np.uint64)[::-1].copy()
    drawn = draw(np.array(codes, dtype=np.uint8), keys, kept, ReplayConfig(share=share))
    number, free = int(drawn.taken.sum()), codes.count(0)
    assert number <= share * (kept + number) + 1e-6
    assert number == free or number + 1 > share * (kept + number + 1) - 1e-6
    assert all(codes[i] == 0 for i in np.flatnonzero(drawn.taken))
    assert sum(drawn.refused.values()) == len(codes) - free


def test_a_group_comes_only_with_what_this_round_can_use() -> None:
    both = (
        Pair(chosen=0, rejected=1, margin=1, reason="r"),
        Pair(chosen=0, rejected=1, kind="image", margin=1, reason="r"),
    )
    kept = group("+-").model_copy(update={"pairs": both, "uses": ("preference", "sft")})

    def comes(given: Group, **config: Any) -> tuple[int, tuple[str, ...]] | None:
        found = again(given, 3, FilterConfig.model_validate(config))
        return None if found is None else (len(found.pairs), found.uses)

    assert comes(kept) == (0, ("sft",))
    assert comes(kept, pairs={}) == (1, ("preference", "sft"))
    assert comes(kept, pairs={"images": True}) == (2, ("preference", "sft"))
    assert comes(kept, uses=["rl"]) is None
    assert comes(kept.model_copy(update={"replayed": 1}), pairs={}) is None


class _Grey:
    def image(self, sha256: str) -> Any:
        from PIL import Image

        return Image.new("RGB", (8, 8))


def _dies(*_: object) -> None:
    raise KeyboardInterrupt
