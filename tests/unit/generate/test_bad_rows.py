"""One to many pictures a prompt; and prompts that cannot be answered: a row with a reason, or a stop that loses nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ratchet import models
from ratchet.artifacts import GROUPS, Artifact, ImageBank
from ratchet.errors import SamplingError
from ratchet.generate import Request, SamplingParams
from ratchet.generate.engines import local
from ratchet.generate.engines.local import TransformersEngine
from ratchet.promptset import PromptSetWriter
from ratchet.records import Group, ImageRef, Prompt
from ratchet.stage import StageContext, context_of, run_step
from ratchet.store import FolderStore, Store
from ratchet.tinyworld.seed import SEED_DIR
from tests import tiny

GREEDY = SamplingParams(strategy="greedy", temperature=0.0, max_new_tokens=4)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(str(tmp_path / "store"))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> TransformersEngine:
    _, pictures = tiny.world("pool", 18)
    return TransformersEngine(SEED_DIR, tiny.bank(FolderStore(str(tmp_path_factory.mktemp("b"))), pictures), "seed", 16)


def _asked(n: int, pictures: int, question: int = 0) -> Request:
    prompts, _ = tiny.world("pool", 18)
    refs = [ref for prompt in prompts for ref in prompt.images]
    prompt = prompts[question]
    return Request(f"{n}-{pictures}", prompt.messages, tuple(refs[:pictures]))


def test_prompts_with_no_to_six_pictures_are_answered_beside_each_other_as_they_are_alone(engine):
    requests = [_asked(n, pictures) for n, pictures in enumerate((1, 3, 0, 6, 2, 1, 5))]
    together = engine.answer(requests, GREEDY)
    alone = [engine.answer([request], GREEDY)[0] for request in requests]
    assert [a.text for (a,) in together] == [a.text for (a,) in alone]
    assert all(a.error is None for (a,) in together)


def test_a_prompt_with_too_many_pictures_is_refused_with_its_count_and_those_beside_it_are_answered(engine):
    good, bad = _asked(0, 1), Request("many", _asked(0, 1).messages, _asked(0, 18).images * 2)
    (answer,), (refused,), (other,) = engine.answer([good, bad, _asked(1, 2)], GREEDY)
    assert re.match(r"too_long: \d{3} tokens with pictures .* exceed the model's 256 positions", refused.error)
    assert answer.error is other.error is None
    assert answer == engine.answer([good], GREEDY)[0][0]


def test_a_picture_that_the_processor_refuses_fails_its_row_alone(engine, monkeypatch):
    encode = local.encode

    def picky(processor: Any, texts: Any, pictures: Any) -> Any:
        if any(picture.width == 7 for row in pictures for picture in row):
            raise ValueError("height and width must be larger than factor")
        return encode(processor, texts, pictures)

    from PIL import Image

    from ratchet.generate.negatives.pictures import encode as png

    monkeypatch.setattr(local, "encode", picky)
    narrow = engine.bank.add(png(Image.new("RGB", (7, 48))))
    good = _asked(0, 1)
    (refused,), (answer,) = engine.answer([Request("n", good.messages, (narrow,)), good], GREEDY)
    assert (
        refused.error == "refused: the processor refuses pictures of 7x48: height and width must be larger than factor"
    )
    assert answer.error is None


def _context(store: Store, lost: int | list[str], **config: Any) -> StageContext:
    """Twenty prompts; the pictures of the first `lost`, or those with these hashes, are in no pack."""
    prompts, pictures = tiny.world("pool", 20, skills=["count"])
    gone = {prompt.images[0].sha256 for prompt in prompts[:lost]} if isinstance(lost, int) else set(lost)
    writer = PromptSetWriter(store, name="tiny", digest="e" * 64, source="test", salt="s")
    kept = {sha: data for sha, data in pictures.items() if sha not in gone}
    writer.write_part("pool", prompts, [tiny.pack(store, kept, "some")])
    seed = models.upload(store, SEED_DIR, "seed")
    generate = {"k": 2, "max_new_tokens": 4, "rows_per_file": 10, **config}
    recipe = {"prompts": {"pool": 20}, "generate": generate}
    return context_of("generate", store, tiny.opened_round(store, seed, writer.finish([]), recipe), {})


def _rows(context: StageContext) -> list[Group]:
    return list(Artifact(context.store, context.prefix, GROUPS).rows())


def test_prompts_whose_pictures_are_missing_are_rows_with_a_reason_below_the_stated_share(store):
    context = _context(store, lost=1, max_error_share=0.1)
    manifest = run_step(context)
    (failed,) = [group for group in _rows(context) if group.completions[0].error]
    assert manifest.counts["errors"] == 1
    assert manifest.results["reasons"] == {"picture": 2}
    for completion in failed.completions:
        assert (completion.text, completion.finish_reason) == ("", "error")
        assert completion.error.startswith("picture: ")
        assert failed.prompt.images[0].sha256[:12] in completion.error


def test_more_of_them_stop_the_stage_which_keeps_what_is_finished_and_goes_on_once_it_is_mended(store):
    with pytest.raises(
        SamplingError, match=r"10 of about 20 prompts got no answer so far, more than generate\.max_error_share 0\.05"
    ):
        run_step(_context(store, lost=12, max_error_share=0.05))
    # The pictures are back: the same stage finishes.
    _, pictures = tiny.world("pool", 20, skills=["count"])
    context = _context(store, lost=12, max_error_share=0.05)
    running = run_step(_with_bank(context, pictures))
    assert running.rows == 20
    assert running.counts["errors"] == 0


def test_one_bad_prompt_in_a_short_last_file_does_not_stop_the_round(store):
    # Twenty prompts in files of 19: the last file holds one, and its picture is gone.
    prompts, _ = tiny.world("pool", 20, skills=["count"])
    context = _context(store, lost=[prompts[19].images[0].sha256], rows_per_file=19)
    manifest = run_step(context)
    assert [shard.rows for shard in manifest.shards] == [19, 1]
    assert manifest.counts["errors"] == 1


def test_with_a_share_of_zero_no_prompt_may_fail(store):
    with pytest.raises(SamplingError, match=r"1 of about 20 prompts"):
        run_step(_context(store, lost=1, max_error_share=0))


def _with_bank(context: StageContext, pictures: dict[str, bytes]) -> StageContext:
    """The pack that the pool names, written whole this time."""
    from ratchet.artifacts.manifest import MANIFEST
    from ratchet.promptset import open_part

    pool = open_part(context.store, context.prompt_set(), "pool")
    pack = tiny.pack(context.store, pictures, "whole")
    manifest = pool.manifest.model_copy(update={"packs": (pack,)})
    context.store.put(f"{pool.prefix}/{MANIFEST}", manifest.model_dump_json().encode())
    return context


def test_an_empty_pool_is_a_clear_stop(store):
    writer = PromptSetWriter(store, name="tiny", digest="f" * 64, source="test", salt="s")
    writer.write_part("pool", [], [])
    seed = models.upload(store, SEED_DIR, "seed")
    context = context_of("generate", store, tiny.opened_round(store, seed, writer.finish([]), {}), {})
    with pytest.raises(
        SamplingError, match=r"the pool at .* is empty; there is nothing to sample\. Import more prompts"
    ):
        run_step(context)


def test_the_bank_keeps_pictures_that_were_added_until_they_are_taken(store):
    from PIL import Image

    from ratchet.generate.negatives.pictures import encode as png

    bank = ImageBank(store, [])
    data = png(Image.new("RGB", (5, 4), (1, 2, 3)))
    ref = bank.add(data)
    assert isinstance(ref, ImageRef)
    assert ref.sha256 in bank
    assert bank.bytes(ref.sha256) == data
    assert bank.take_added() == {ref.sha256: data}
    assert ref.sha256 not in bank
    assert bank.take_added() == {}


def test_a_prompt_keeps_all_of_its_pictures_through_the_stage(store):
    prompts, pictures = tiny.world("pool", 6, skills=["count"])
    refs = tuple(ref for prompt in prompts for ref in prompt.images)
    many = [
        Prompt.make(messages=prompts[0].messages, images=refs[:n], skill="count", source="test", reference="1")
        for n in range(1, 6)
    ]
    writer = PromptSetWriter(store, name="many", digest="d" * 64, source="test", salt="s")
    writer.write_part("pool", many, [tiny.pack(store, pictures, "many")])
    recipe = {
        "generate": {"k": 1, "max_new_tokens": 4, "negatives": [{"kind": "blur", "pictures": "one"}, "grey", "swap"]}
    }
    seed = models.upload(store, SEED_DIR, "seed")
    context = context_of("generate", store, tiny.opened_round(store, seed, writer.finish([]), recipe), {})
    run_step(context)
    for group in _rows(context):
        answer, blurred, grey, *swapped = group.completions
        assert answer.error is None
        own = group.prompt.images
        assert sum(a != b for a, b in zip(blurred.input.images, own, strict=True)) == 1
        assert all(a != b for a, b in zip(grey.input.images, own, strict=True))
        for completion in swapped:
            assert sum(a != b for a, b in zip(completion.input.images, own, strict=True)) == 1
