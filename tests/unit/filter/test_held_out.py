"""What is held out for evaluation is dropped, of this loop's prompt set and of the others that a recipe names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ratchet import canonical
from ratchet.artifacts import ImageBank, ref_of, write_pack
from ratchet.errors import PromptSetError, RoundError
from ratchet.filter.fingerprints import fingerprints_of
from ratchet.promptset import SET_FILE, PromptSetWriter, find, set_prefix
from ratchet.records import ImageRef
from ratchet.store import Store
from ratchet.store.folder import FolderStore
from tests.rows import png
from tests.unit.filter.cases import group, prompt
from tests.unit.filter.test_stage import filtered, mixed, reasons
from tests.unit.verify import staging


def pictures(store: Store, *colours: tuple[int, int, int]) -> tuple[ImageBank, list[ImageRef], Any]:
    encoded = [png(colour) for colour in colours]
    refs = [ref_of(data) for data in encoded]
    pack = write_pack(store, "images/p.parquet", zip([r.sha256 for r in refs], encoded, strict=True))
    return ImageBank(store, [pack]), refs, pack


def test_what_is_held_out_is_dropped(tmp_path: Path) -> None:
    store = staging.store_at(tmp_path)
    bank, (red, blue), _ = pictures(store, (250, 0, 0), (0, 0, 250))
    held = prompt(images=[red])
    prints = list(fingerprints_of([held], bank))
    asked = [(red, "how many ?"), (red, "other ?"), (blue, "how many ?"), (blue, "what ?")]
    groups = [group("+-", images=[image], question=question) for image, question in asked]

    def drops(name: str, **config: Any) -> list[str]:
        place = FolderStore(str(tmp_path / name))
        *_, own = pictures(place, (250, 0, 0), (0, 0, 250))
        opened = staging.round_at(place, {"filter": config}, prints)
        made = staging.run(place, opened, "filter", verify=staging.parent(place, "verify", groups, packs=[own]))
        assert made.packs == (own,)
        return reasons(place, made)

    assert drops("exact") == ["held_out_prompt", "held_out_picture"]
    # Pictures of one colour all look alike: the blue one is near the red one, under the same question.
    assert drops("near", decontaminate_near_bits=4) == ["held_out_prompt", "held_out_picture", "held_out_near"]
    near_any = drops("any", decontaminate_near_bits=4, decontaminate_near_scope="any")
    assert near_any == ["held_out_prompt", "held_out_picture", "held_out_near", "held_out_near"]
    assert drops("off", decontaminate=False) == []
    assert drops("dedup", decontaminate=False, dedup_near_bits=4) == ["near_duplicate"]


def test_fingerprints_are_all_it_opens_of_a_prompt_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    get = FolderStore.get
    monkeypatch.setattr(FolderStore, "get", lambda self, key: read.append(key) or get(self, key))
    filtered(staging.store_at(tmp_path), mixed(10))
    opened = {
        key.removeprefix(f"prompts/{staging.DIGEST[:32]}/").split("/")[0] for key in read if key.startswith("prompts/")
    }
    assert opened == {"set.json", "fingerprints"}


def test_without_fingerprints_the_filter_says_what_to_do(tmp_path: Path) -> None:
    store = staging.store_at(tmp_path)
    opened = staging.round_at(store)
    parent = staging.parent(store, "verify", mixed(4))
    with pytest.raises(RoundError, match="prompt set cccccccccccc is not complete"):
        staging.run(store, opened.model_copy(update={"report": "c" * 64}), "filter", verify=parent)
    found = find(store, staging.DIGEST)
    assert found is not None
    bare = found.model_copy(update={"fingerprints": None})
    store.put(f"{set_prefix(staging.DIGEST)}/{SET_FILE}", canonical.pretty(bare.model_dump(mode="json")))
    with pytest.raises(PromptSetError, match="no fingerprints to decontaminate against; import it again"):
        staging.run(store, opened, "filter", verify=parent)


def imported(store: Store, name: str, *held: Any, source: str = "import") -> str:
    """A further prompt set of which only the fingerprints and the index exist."""
    digest = canonical.digest(name)
    bank, _, _ = pictures(store, (250, 0, 0), (0, 0, 250))
    writer = PromptSetWriter(store, name=name, digest=digest, source=source, salt="s")
    return writer.finish(fingerprints_of(held, bank)).digest


def test_what_other_evaluation_sets_hold_out_is_dropped_where_the_recipe_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = staging.store_at(tmp_path)
    _, (red, blue), _ = pictures(store, (250, 0, 0), (0, 0, 250))
    imported(store, "chartqa", prompt(images=[red], question="of chartqa ?"))
    imported(store, "pope", prompt(images=[blue], question="is there a dog in the image, yes or no?"))
    imported(store, "drawn", prompt(9, images=[blue], question="drawn ?"), source="tinyworld")
    groups = [group("+-", images=[image], question=f"{n} ?") for n, image in enumerate((red, blue))]
    groups.append(group("+-", 7, question="say, is there a dog in the image, yes or no?"))
    read: list[str] = []
    get = FolderStore.get
    monkeypatch.setattr(FolderStore, "get", lambda self, key: read.append(key) or get(self, key))

    def drops(**config: Any) -> list[str]:
        return reasons(store, filtered(store, groups, **config))

    assert drops() == []
    assert drops(decontaminate_against=["chartqa"]) == ["held_out_picture"]
    assert drops(decontaminate_against=["chartqa", canonical.digest("pope")]) == ["held_out_picture"] * 2
    assert drops(decontaminate_against="all") == ["held_out_picture"] * 2
    assert drops(decontaminate_against="all", decontaminate_ngram=10) == ["held_out_picture"] * 2 + ["held_out_ngram"]
    # Of every set only what it is called and its fingerprints were opened.
    opened = {key.split("/", 2)[2].split("/")[0] for key in read if key.startswith("prompts/")}
    assert opened == {"set.json", "fingerprints"}
    with pytest.raises(PromptSetError, match="no prompt set 'mmmu'"):
        drops(decontaminate_against=["mmmu"])


def test_another_evaluation_set_makes_another_artifact_and_the_same_sets_the_same(tmp_path: Path) -> None:
    store = staging.store_at(tmp_path)
    first = filtered(store, mixed(6), decontaminate_against="all")
    assert filtered(store, mixed(6), decontaminate_against="all").uri == first.uri
    _, (red, _), _ = pictures(store, (250, 0, 0), (0, 0, 250))
    imported(store, "late", prompt(images=[red]))
    assert filtered(store, mixed(6), decontaminate_against="all").uri != first.uri
    assert filtered(store, mixed(6)).uri == filtered(store, mixed(6)).uri != first.uri
