"""Question generation on the tiny world: the shipped seed, which cannot ask, and the asker, which can."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ratchet import models, recipe
from ratchet.artifacts import GROUPS, Artifact, Manifest, ModelRef
from ratchet.errors import VerifierError
from ratchet.promptset import PromptSet
from ratchet.records import Group
from ratchet.stage import context_of, run_step
from ratchet.store import FolderStore
from ratchet.tinyworld import items, measure, prompt_of, seed_model
from ratchet.tinyworld.asker import AskerConfig, Lessons, asks, fitting, train_asker
from ratchet.tinyworld.oracle import answer
from ratchet.tinyworld.seed import SEED_DIR, load
from tests import tiny

RECIPES = ("ask-direct", "ask-in-context", "sena-ask", "visplay", "evolmm", "synthrl")
ANYTHING = "(.+)"


def small(name: str, **strategy: Any) -> dict[str, Any]:
    """The shipped recipe; `strategy` overrides its strategy's keys."""
    whole = recipe.load(name).model_dump(mode="json")
    whole["generate"]["strategy"][0] |= strategy
    return whole


def staged(
    store: FolderStore, seed: ModelRef, prompts: PromptSet, whole: dict[str, Any]
) -> tuple[list[Group], Manifest, Manifest]:
    """Rows of generate, and the manifests of generate and filter, of a round on these prompts."""
    opened = tiny.opened_round(store, seed, prompts, whole)
    generated = run_step(context_of("generate", store, opened, {}))
    verified = run_step(context_of("verify", store, opened, {"generate": generated}))
    filtered = run_step(context_of("filter", store, opened, {"verify": verified}))
    return list(Artifact.open(store, generated.uri, GROUPS).rows()), generated, filtered


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> tuple[FolderStore, ModelRef, PromptSet]:
    store = FolderStore(str(tmp_path_factory.mktemp("store")))
    return store, models.upload(store, SEED_DIR, "seed"), tiny.prompt_set(store, pool=15, holdout=9, report=9)


@pytest.mark.parametrize("name", RECIPES)
def test_the_shipped_seed_runs_each_recipe_and_what_it_cannot_ask_is_counted_by_reason(shipped, name):
    rows, generated, filtered = staged(*shipped, small(name, k=3))
    asked = {r.prompt.origin or r.prompt.id for r in rows}
    assert len(asked) == 15, "every picture has a row"
    assert generated.counts["prompts"] == len(rows)
    assert generated.counts["errors"] == 0
    found = Counter(r.reason for r in rows if r.reason)
    assert generated.results["reasons"] == dict(found)
    assert generated.counts["refused"] == found.total() >= 0.8 * len(rows)
    assert found["unreadable_question"] + found["hard_already"] >= 0.8 * found.total()
    dropped = filtered.results["reasons"]
    assert all(dropped[reason] >= n for reason, n in found.items())
    assert filtered.rows + sum(dropped.values()) == len(rows)


@pytest.mark.parametrize("name", ["ask-in-context", "sena-ask", "visplay", "synthrl"])
def test_with_any_text_as_a_question_all_later_steps_run_on_the_real_engine(shipped, name):
    loose = {"k": 3, "form_of_question": ANYTHING, "checks": {"blind": 0.9}}
    rows, generated, _ = staged(*shipped, small(name, **loose))
    assert generated.counts["errors"] == 0
    assert not [r for r in rows if r.reason == "not_checked"]
    unread = [r.completions[0].text for r in rows if r.reason == "unreadable_question"]
    assert set(unread) <= {""}, "only a question of no words is none"
    asked = [r for r in rows if r.prompt.origin]
    assert asked
    prompts = {p.id: p for p in tiny.world("pool", 15)[0]}
    for row in asked:
        parent = prompts[row.prompt.origin or ""]
        assert (row.prompt.images, row.prompt.split_key) == (parent.images, parent.split_key)
        assert row.prompt.id != parent.id
    if name in ("ask-in-context", "visplay"):
        blind = [n.score for r in asked for c in r.completions for n in c.notes if n.name == "blind_agreement"]
        assert blind
        assert all(0 <= share <= 1 for share in blind)


def test_the_same_round_generates_the_same_questions(shipped, tmp_path):
    whole = small("visplay", k=3, form_of_question=ANYTHING)
    first = staged(*shipped, whole)[1]
    store = FolderStore(str(tmp_path / "other"))
    prompts = tiny.prompt_set(store, pool=15, holdout=9, report=9)
    again = staged(store, models.upload(store, SEED_DIR, "seed"), prompts, whole)[1]
    assert again.content_digest == first.content_digest


def test_every_item_asks_what_fits_its_own_pictures():
    for item in items("validation", 180, 3):
        assert fitting(item.scenes)[item.question] == item.skill


def test_what_fits_has_an_answer_and_what_names_no_single_thing_does_not_fit():
    for item in items("validation", 45, 4):
        fits = fitting(item.scenes)
        assert all(answer(question, item.scenes) for question in fits)
        for question in ("where is the red circle ?", "what is left of the blue square ?"):
            if question not in fits and len(item.scenes) == 1:
                with pytest.raises(VerifierError):
                    answer(question, item.scenes)


def test_lessons_are_made_of_the_seeds_words_and_are_true():
    tokenizer = seed_model.build_tokenizer()
    config = AskerConfig(visits=1500)
    lessons = list(Lessons(config).drawn())
    assert lessons == list(Lessons(config).drawn())
    checks = 0
    for lesson in lessons:
        ids = tokenizer(f"{lesson.question} {lesson.answer}", add_special_tokens=False).input_ids
        assert tokenizer.unk_token_id not in ids
        if lesson.question.startswith("is there an answer ?"):
            checks += 1
            asked = lesson.question.removeprefix("is there an answer ? ")
            assert (asked in fitting(lesson.scenes)) == (lesson.answer == "yes")
        else:
            assert lesson.answer in fitting(lesson.scenes)
    assert 0.05 * 1500 < checks < 0.2 * 1500


def test_the_shipped_seed_answers_when_it_is_asked_for_a_question():
    found = asks(*load(), list(items("validation", 90, 7)))
    assert found.readable < 0.1


def test_the_same_configuration_teaches_the_same_weights(tmp_path):
    for folder in ("one", "two"):
        train_asker(tmp_path / folder, AskerConfig(visits=96))
    one, two = ((tmp_path / folder / "model.safetensors").read_bytes() for folder in ("one", "two"))
    assert one == two != (SEED_DIR / "model.safetensors").read_bytes()


def test_the_command_says_what_it_does():
    done = subprocess.run(
        [sys.executable, "-m", "ratchet.tinyworld.asker", "--help"], capture_output=True, text=True, check=True
    )
    assert "to ask questions that fit a picture" in " ".join(done.stdout.split())


@pytest.fixture(scope="module")
def asker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two thirds of the default's training."""
    folder = tmp_path_factory.mktemp("asker")
    train_asker(folder, AskerConfig(visits=20_000))
    return folder


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_after_a_short_training_most_questions_fit_and_answering_stays(asker):
    shown = list(items("validation", 450, 7))
    model, processor = load(asker)
    found = asks(model, processor, shown)
    assert found.readable > 0.8
    assert found.fitting > 0.5
    assert len(found.skills) >= 7, "questions of many kinds"
    before, after = (measure.marks(*one, shown) for one in (load(), (model, processor)))
    assert measure.accuracy(after) > measure.accuracy(before) - 6


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("name", RECIPES)
def test_the_asker_fills_each_recipe_with_questions_that_mostly_fit_their_pictures(asker, tmp_path, name):
    store = FolderStore(str(tmp_path / "store"))
    prompts = tiny.prompt_set(store, pool=72, holdout=9, report=9)
    rows, generated, filtered = staged(store, models.upload(store, asker, "asker"), prompts, small(name))
    scenes = {prompt_of(item)[0].id: item.scenes for item in items("pool", 72, 0)}
    kept = [r for r in rows if r.reason is None]
    assert generated.counts["errors"] == 0
    assert sum(r.reason == "unreadable_question" for r in rows) < 0.2 * len(rows)
    assert len(kept) >= (5 if name == "synthrl" else 36)
    assert sum(r.prompt.question in fitting(scenes[r.prompt.origin or ""]) for r in kept) > 0.5 * len(kept)
    assert all(r.prompt.reference and r.prompt.verifiers for r in kept)
    assert filtered.rows > 0
