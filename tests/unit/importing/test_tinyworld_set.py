from __future__ import annotations

from pathlib import Path

import pytest

from ratchet.artifacts import Artifact, ImageBank
from ratchet.errors import PromptSetError
from ratchet.importing import tinyworld
from ratchet.promptset import FINGERPRINTS, PromptSetWriter, find, open_part
from ratchet.recipe import PromptsConfig
from ratchet.store import FolderStore
from ratchet.tinyworld.world import Item, items

SPLITS = ("pool", "validation", "holdout")
SMALL = PromptsConfig(pool=40, validation=9, holdout=27, report=18)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def test_a_round_gets_the_sizes_it_asks_for_with_pictures_and_fingerprints(store: FolderStore) -> None:
    made = tinyworld.tinyworld_set(store, salt="a", config=SMALL, splits=SPLITS, name="round")
    assert made.rows == {"pool": 40, "validation": 9, "holdout": 27}
    assert made.family == tinyworld.family()
    for split in SPLITS:
        part = open_part(store, made, split)
        bank = ImageBank(store, part.manifest.packs)
        assert len(part.manifest.packs) == 1
        assert {i.sha256 for p in part.rows() for i in p.images} == set(bank)
    assert made.fingerprints is not None
    fenced = {f.prompt_id for f in Artifact.open(store, made.fingerprints, FINGERPRINTS).rows()}
    assert fenced == {p.id for p in open_part(store, made, "holdout").rows()}


def test_the_digest_is_known_before_and_depends_on_what_is_drawn_alone(store: FolderStore) -> None:
    made = tinyworld.tinyworld_set(store, salt="a", config=SMALL, splits=SPLITS, name="round")
    digest = tinyworld.set_digest("a", SMALL, SPLITS)
    assert made.digest == digest
    assert tinyworld.set_digest("a", SMALL.model_copy(update={"report": 5}), SPLITS) == digest
    others = [
        tinyworld.set_digest("b", SMALL, SPLITS),
        tinyworld.set_digest("a", SMALL.model_copy(update={"pool": 41}), SPLITS),
        tinyworld.set_digest("a", SMALL.model_copy(update={"skills": ("count",)}), SPLITS),
        tinyworld.set_digest("a", SMALL, ("report",)),
    ]
    assert len({digest, *others}) == 5


def test_the_same_salt_draws_the_same_and_another_draws_all_afresh(tmp_path: Path, store: FolderStore) -> None:
    other = FolderStore(tmp_path / "other")
    one = tinyworld.tinyworld_set(store, salt="a", config=SMALL, splits=SPLITS, name="round")
    again = tinyworld.tinyworld_set(other, salt="a", config=SMALL, splits=SPLITS, name="round")
    fresh = tinyworld.tinyworld_set(store, salt="b", config=SMALL, splits=SPLITS, name="round")
    for split in SPLITS:
        before = [p.id for p in open_part(store, one, split).rows()]
        assert [p.id for p in open_part(other, again, split).rows()] == before
        assert not set(before) & {p.id for p in open_part(store, fresh, split).rows()}


def test_a_set_that_is_there_is_not_drawn_again(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tinyworld.tinyworld_set(store, salt="a", config=SMALL, splits=SPLITS, name="round")
    monkeypatch.setattr(tinyworld, "items", lambda *_, **__: pytest.fail("drawn again"))
    assert tinyworld.tinyworld_set(store, salt="a", config=SMALL, splits=SPLITS, name="round") == made


def test_a_killed_drawing_finishes_when_started_again(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(PromptSetWriter, "finish", killed)
        with pytest.raises(KeyboardInterrupt):
            tinyworld.tinyworld_set(store, salt="a", config=SMALL, splits=SPLITS, name="round")
    assert find(store, tinyworld.set_digest("a", SMALL, SPLITS)) is None
    assert sum(tinyworld.tinyworld_set(store, salt="a", config=SMALL, splits=SPLITS, name="round").rows.values()) == 76


def test_a_pool_item_that_is_held_out_is_drawn_again(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def same(split: str, n: int, seed: int, **options: object) -> object:
        """A world in which all splits begin with the same items."""
        return items("pool", n, 1, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(tinyworld, "items", same)
    made = tinyworld.tinyworld_set(store, salt="a", config=SMALL, splits=SPLITS, name="round")
    parts = {split: list(open_part(store, made, split).rows()) for split in SPLITS}
    assert {split: len(prompts) for split, prompts in parts.items()} == made.rows
    pictures = [i.sha256 for prompts in parts.values() for p in prompts for i in p.images]
    assert len(set(pictures)) == len(pictures)


def test_only_the_named_skills_are_drawn(store: FolderStore) -> None:
    config = SMALL.model_copy(update={"skills": ("count", "exist")})
    made = tinyworld.tinyworld_set(store, salt="a", config=config, splits=("report",), name="r")
    assert {p.skill for p in open_part(store, made, "report").rows()} == {"count", "exist"}


def test_an_unknown_split_is_refused(store: FolderStore) -> None:
    with pytest.raises(PromptSetError, match="'labels' is none"):
        tinyworld.tinyworld_set(store, salt="a", config=SMALL, splits=("labels",), name="r")


def test_items_of_ones_own_become_prompts_and_one_pack(store: FolderStore) -> None:
    drawn: list[Item] = list(items("labels", 12, 0))
    prompts, packs = tinyworld.prompts_of(store, "somewhere/pack.parquet", drawn)
    assert [p.reference for p in prompts] == [item.answer for item in drawn]
    assert packs[0].images == len(set(ImageBank(store, packs))) == sum(len(p.images) for p in prompts)
