"""Negatives through the stage: recorded so that they can be made again, added, never in place of anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ratchet import models
from ratchet.artifacts import GROUPS, Artifact, ImageBank, images
from ratchet.generate.negatives.drafts import made_again
from ratchet.generate.negatives.english import ENGLISH
from ratchet.generate.negatives.injection import inject
from ratchet.records import Completion, Group
from ratchet.stage import StageContext, context_of, run_step
from ratchet.store import FolderStore, Store
from tests import tiny

PICTURES = [
    "diffusion", "noise", "blur", "downscale", "crop", "erase", "patches", "shuffle", "colour", "grey", "rotate", "flip",
]  # fmt: skip
OTHERS = ["swap", "stic", "misleading", "inject", "mask_answer", "mix"]


def _context(store: Store, model: Path, negatives: Any, **config: Any) -> StageContext:
    prompts = tiny.prompt_set(store, pool=18, holdout=9, report=9)
    generate = {"k": 2, "max_new_tokens": 4, "rows_per_file": 9, "negatives": negatives, **config}
    recipe = {"prompts": {"pool": 18}, "generate": generate}
    return context_of(
        "generate", store, tiny.opened_round(store, models.upload(store, model, "tiny"), prompts, recipe), {}
    )


def _made(context: StageContext) -> list[Group]:
    run_step(context)
    return list(Artifact(context.store, context.prefix, GROUPS).rows())


def _bad(groups: list[Group], kind: str) -> list[tuple[Group, Completion]]:
    return [(g, c) for g in groups for c in g.completions if c.negative is not None and c.negative.kind == kind]


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(str(tmp_path / "store"))


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> tuple[StageContext, list[Group]]:
    store = FolderStore(str(tmp_path_factory.mktemp("all")))
    context = _context(store, model_folder, [*PICTURES, *OTHERS, {"kind": "blur", "use": "input"}])
    return context, _made(context)


@pytest.mark.parametrize("kind", PICTURES)
def test_a_corrupted_picture_is_made_again_bit_for_bit_from_what_the_row_records(everything, kind):
    context, groups = everything
    bank = ImageBank(context.store, run_step(context).packs)
    found = _bad(groups, kind)
    assert len(found) >= len(groups)
    for group, completion in found:
        shown = completion.input
        assert shown is not None
        assert shown.images != group.prompt.images
        assert shown.messages == group.prompt.messages
        again = made_again(completion.negative, group.prompt.images, bank)
        assert again == [bank.bytes(ref.sha256) for ref in shown.images]


def test_negatives_are_added_after_the_honest_completions_and_counted_by_kind(everything):
    context, groups = everything
    for group in groups:
        assert [c.index for c in group.completions] == list(range(len(group.completions)))
        assert [c.negative is None for c in group.completions[:2]] == [True, True]
        assert all(c.negative is not None for c in group.completions[2:])
    manifest = run_step(context)
    assert manifest.counts["negatives"] == sum(len(g.completions) - 2 for g in groups)
    assert sum(manifest.results["negatives"].values()) == manifest.counts["negatives"]
    assert manifest.results["strategies"]["random"]["completions"] == 2 * len(groups)


def test_the_honest_completions_are_those_of_a_round_without_negatives(everything, tmp_path, model_folder):
    plain = _made(_context(FolderStore(str(tmp_path / "plain")), model_folder, []))
    assert [g.completions for g in plain] == [g.completions[:2] for g in everything[1]]


def test_the_same_answer_stands_beside_a_bad_input(everything):
    _, groups = everything
    found = [(g, c) for g, c in _bad(groups, "blur") if c.negative.use == "input"]
    for group, completion in found:
        parent = group.completions[completion.parent]
        assert completion.text == parent.text
        assert parent.negative is None
        assert completion.negative.parent == f"completion:{parent.index}"
        assert completion.input.images != group.prompt.images


def test_an_injected_fact_is_made_again_from_its_parent(everything):
    _, groups = everything
    found = _bad(groups, "inject")
    assert found
    for group, completion in found:
        record = completion.negative
        parent = record.parent
        text = group.prompt.reference if parent == "reference" else group.completions[int(parent[11:])].text
        fact = record.words["fact"]
        again = inject(text, fact, record.seed, ENGLISH, question=group.prompt.question, mode=_mode(fact))
        assert again is not None
        assert again.text == completion.text != text
        assert (again.before, again.after) == (record.words["from"], record.words["to"])


def _mode(fact: str) -> Any:
    return "replace" if fact == "object" else None


def test_a_swapped_picture_is_another_prompts_of_the_same_file(everything):
    _, groups = everything
    pool = {ref.sha256 for g in groups for ref in g.prompt.images}
    for group, completion in _bad(groups, "swap"):
        place = int(completion.negative.params["at"])
        shown = completion.input.images
        assert shown[place].sha256 == completion.negative.words["picture"]
        assert shown[place].sha256 in pool - {ref.sha256 for ref in group.prompt.images}
        assert [r for i, r in enumerate(shown) if i != place] == [
            r for i, r in enumerate(group.prompt.images) if i != place
        ]


def test_stic_misleads_about_half_of_the_prompts_and_corrupts_the_pictures_of_the_others(store, model_folder):
    groups = _made(_context(store, model_folder, [{"kind": "stic", "count": 6}], k=1))
    misled, corrupted = len(_bad(groups, "misleading")), len(_bad(groups, "stic"))
    assert misled + corrupted == 6 * len(groups)
    assert 0.3 < misled / (misled + corrupted) < 0.7
    for group, completion in _bad(groups, "misleading"):
        assert completion.input.images == group.prompt.images
        assert group.prompt.question in completion.input.messages[-1].content


def test_a_refilled_answer_begins_as_its_parent(everything):
    for _, completion in _bad(everything[1], "mask_answer"):
        begun = completion.input.begun
        assert completion.text.startswith(begun)
        assert completion.negative.words["begun"] == begun


def test_a_share_of_the_prompts_gets_the_kind_whatever_the_shards(tmp_path, model_folder):
    negatives = [{"kind": "grey", "share": 0.5}]
    chosen = []
    for shards in (1, 3):
        context = _context(FolderStore(str(tmp_path / str(shards))), model_folder, negatives, shards=shards)
        chosen.append({g.prompt.id for g, _ in _bad(_made(context), "grey")})
    assert chosen[0] == chosen[1]
    assert 3 <= len(chosen[0]) <= 15


def test_pictures_of_a_stage_that_was_stopped_are_in_its_packs(store, tmp_path, model_folder):
    whole = _context(FolderStore(str(tmp_path / "whole")), model_folder, ["noise"])
    expected = run_step(whole)
    context = _context(store, model_folder, ["noise"])

    class Stopped(BaseException):
        pass

    def stop(done: int, total: int, unit: str, note: str = "") -> None:
        if done > 20:
            raise Stopped

    context.progress = stop
    with pytest.raises(Stopped):
        run_step(context)
    resumed = run_step(_context(store, model_folder, ["noise"]))
    assert resumed.content_digest == expected.content_digest
    bank = ImageBank(store, resumed.packs)
    for group in Artifact(store, context.prefix, GROUPS).rows():
        for completion in group.completions:
            if completion.input is not None:
                assert all(ref.sha256 in bank for ref in completion.input.images)


def test_many_pictures_are_written_as_they_are_made_and_not_kept(store, tmp_path, model_folder, monkeypatch):
    expected = run_step(_context(FolderStore(str(tmp_path / "whole")), model_folder, ["noise", "grey"]))
    monkeypatch.setattr(images, "SPILL_BYTES", 20_000)
    context = _context(store, model_folder, ["noise", "grey"])
    manifest = run_step(context)
    assert len(manifest.packs) > len(expected.packs) > 1
    assert manifest.content_digest == expected.content_digest
    bank = ImageBank(store, manifest.packs)
    for group in Artifact(store, context.prefix, GROUPS).rows():
        for completion in group.completions[2:]:
            assert all(ref.sha256 in bank for ref in completion.input.images)


def test_what_was_asked_for_is_counted_beside_what_came(store, model_folder):
    context = _context(store, model_folder, [{"kind": "inject", "facts": ["count"]}, "grey"])
    manifest = run_step(context)
    assert manifest.counts["negatives_asked"] == 36
    assert 18 < manifest.counts["negatives"] < 36, "answers without a number have nothing to miscount"


def test_of_two_equal_pictures_the_one_that_was_touched_is_known(store):
    from ratchet.generate.negatives.drafts import worse_pictures

    _, pictures = tiny.world("pool", 1)
    bank = tiny.bank(store, pictures)
    (ref,) = [images.ref_of(data) for data in pictures.values()]
    for place in range(2):
        made, negative = worse_pictures((ref, ref), "noise", {}, 5, place, bank)
        assert [one == ref for one in made] == [place != 0, place != 1]
        assert made_again(negative, (ref, ref), bank) == [bank.bytes(one.sha256) for one in made]
