"""Verifiers with a model of their own: image-text similarity, and reward models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ratchet.errors import ModelError, VerifierError
from ratchet.recipe import VerifyConfig
from ratchet.records import Group, Prompt, Verdict
from ratchet.tinyworld import scorer, seed_model
from ratchet.tinyworld.seed import SEED_DIR
from ratchet.verify.measured.image_text import ImageText
from ratchet.verify.measured.reward import RewardModel
from ratchet.verify.measured.scoring import ranks
from ratchet.verify.tools import Tools
from tests.unit.verify.measuring import MEASURED, failed, group, tools_at, verified

FILES = sorted((Path(__file__).resolve().parents[2] / "corpus").glob("*.txt"))


@pytest.fixture(scope="module")
def scorer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random image-text model."""
    folder = tmp_path_factory.mktemp("scorer")
    processor = scorer.build_processor()
    scorer.save(scorer.build_model(processor, 0), processor, folder)
    return folder


def reward_folder(folder: Path, *, outputs: int = 1, steps: int = 0) -> Path:
    """A tiny reward model over the tiny world's words; with `steps` trained to like answers that name red."""
    import torch
    from transformers import LlamaConfig, LlamaForSequenceClassification

    torch.manual_seed(0)
    tokenizer = seed_model.build_tokenizer()
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        num_labels=outputs,
        pad_token_id=tokenizer.pad_token_id,
        max_position_embeddings=64,
        **shape,
    )
    model = LlamaForSequenceClassification(config)
    words = ["red", "blue", "circle", "square", "yes", "no", "2"]
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    draw = torch.Generator().manual_seed(1)
    for _ in range(steps):
        sizes = torch.randint(1, 5, (32,), generator=draw).tolist()
        rows = [[words[i] for i in torch.randint(len(words), (n,), generator=draw)] for n in sizes]
        inputs = tokenizer(["list the objects . " + " ".join(row) for row in rows], return_tensors="pt", padding=True)
        wanted = torch.tensor([float("red" in row) for row in rows])
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(**inputs).logits[:, 0], wanted)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, scorer_folder: Path) -> Iterator[tuple[list[Prompt], Tools]]:
    folders = {
        "clip": scorer_folder,
        "rm": reward_folder(tmp_path_factory.mktemp("rm"), steps=300),
        "two": reward_folder(tmp_path_factory.mktemp("two"), outputs=2),
    }
    prompts, tools = tools_at(tmp_path_factory.mktemp("models"), 9, ("caption", "pair", "count"), folders)
    yield prompts, tools
    tools.close()


def found(tools: Tools, groups: list[Group], **verifier: object) -> list[list[Verdict]]:
    return [[c.verdicts[0] for c in g.completions] for g in verified(tools, groups, verifier)]


TEXTS = ("red circle", "blue square , red circle", "yellow triangle", "red circle")


def test_a_small_scorer_weighs_the_ranks_of_similarity_and_likelihood(made):
    prompts, tools = made
    groups = [group(p, *TEXTS) for p in prompts if p.skill == "caption"]
    weighed = found(tools, groups, name="small_scorer", model="clip")
    likely = found(tools, groups, name="likelihood")
    alone = found(tools, groups, name="small_scorer", model="clip", weight=1)
    for verdicts, by_likelihood, by_similarity in zip(weighed, likely, alone, strict=True):
        cosines = [v.parts[0].score for v in verdicts]
        assert [v.score for v in by_similarity] == pytest.approx(ranks(cosines), abs=1e-6)
        expected = [0.9 * a + 0.1 * b.score for a, b in zip(ranks(cosines), by_likelihood, strict=True)]
        assert [v.score for v in verdicts] == pytest.approx(expected, abs=1e-6)
        assert verdicts[0].score == verdicts[3].score
        assert [part.name for part in verdicts[0].parts] == ["similarity", "probability"]
    assert weighed == found(tools, groups, name="small_scorer", model="clip")


def test_by_value_the_cosine_counts_from_zero_and_the_likelihood_by_token(made):
    prompts, tools = made
    groups = [group(p, *TEXTS) for p in prompts]
    for verdict in (v for one in found(tools, groups, name="small_scorer", model="clip", score="value") for v in one):
        cosine, probability = (part.score for part in verdict.parts)
        assert verdict.score == pytest.approx(0.9 * max(0, cosine) + 0.1 * probability, abs=1e-5)


def test_two_pictures_count_by_their_mean(made, scorer_folder):
    prompts, tools = made
    pair = next(p for p in prompts if len(p.images) == 2)
    model = ImageText(scorer_folder, 2)
    pictures, text = model.pictures(tools.bank, pair.images), model.texts(["first"])["first"]
    mean = sum(float(text @ pictures[ref.sha256]) for ref in pair.images) / 2
    ((one, _),) = found(tools, [group(pair, "first", "second")], name="small_scorer", model="clip", weight=1)
    assert one.parts[0].score == pytest.approx(mean, abs=1e-5)


def test_the_question_is_part_of_the_text_where_the_recipe_says_so(made):
    prompts, tools = made
    groups = [group(prompts[0], *TEXTS)]
    plain = found(tools, groups, name="small_scorer", model="clip", weight=1)
    asked = found(tools, groups, name="small_scorer", model="clip", weight=1, text="{question} {answer}")
    assert [v.parts for v in plain[0]] != [v.parts for v in asked[0]]
    with pytest.raises(ValueError, match="answer"):
        VerifyConfig.model_validate({"verifiers": [{"name": "small_scorer", "model": "clip", "text": "{question}"}]})


def test_batches_do_not_change_a_similarity(made, scorer_folder):
    prompts, tools = made
    one, many = (ImageText(scorer_folder, size) for size in (1, 64))
    texts = ["red", "blue square , red circle", "3"]
    for text in texts:
        assert one.texts(texts)[text].tolist() == pytest.approx(many.texts(texts)[text].tolist(), abs=1e-5)
    refs = [ref for p in prompts for ref in p.images]
    first, second = one.pictures(tools.bank, refs), many.pictures(tools.bank, refs)
    assert all(first[ref.sha256].tolist() == pytest.approx(second[ref.sha256].tolist(), abs=1e-5) for ref in refs)
    assert float(first[refs[0].sha256].norm()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "verifier", [{"name": "small_scorer", "model": "clip"}, {"name": "reward_model", "model": "rm"}]
)
def test_what_is_too_long_for_a_model_is_unscored_and_not_cut(made, verifier):
    prompts, tools = made
    one = group(prompts[0], "red", "blue", "red " * 80, "x")
    one = one.model_copy(update={"completions": (*one.completions[:3], failed(one.completions[3]))})
    (verdicts,) = found(tools, [one], **verifier)
    assert [v.reason for v in verdicts[2:]] == ["too_long", "not_generated"]
    assert [v.score is None for v in verdicts] == [False, False, True, True]


@pytest.mark.parametrize("verifier", MEASURED, ids=lambda one: one["name"])
def test_hostile_answers_leave_the_verdicts_of_the_others_as_they_are(made, verifier, tmp_path):
    prompts, tools = made
    prompt = next(p for p in prompts if p.skill == "count")
    canary = tmp_path / "canary"
    texts = [file.read_bytes().decode("utf-8", "surrogatepass") for file in FILES]
    hostile = [text.replace("{canary}", str(canary)) for text in texts] + ["a" * 1_000_000, "[" * 100_000, "\ud800"]
    (alone,) = found(tools, [group(prompt, *["2"] * 60, "3")], **verifier)
    (among,) = found(tools, [group(prompt, *["2"] * 60, "3", *hostile)], **verifier)
    assert not canary.exists()
    assert len(among) == 61 + len(hostile)
    assert all(v.model_dump_json() and v.reason != "crash" for v in among)
    ranks_alone = verifier["name"] in ("likelihood", "small_scorer")
    for before, after in zip(alone, among[:61], strict=True):
        assert (before.score is None) == (after.score is None)
        if not ranks_alone and before.score is not None:
            assert (after.passed, after.score) == (before.passed, pytest.approx(before.score, abs=1e-4))
    # What no model can read has no score, and says why.
    if verifier["name"] in ("likelihood", "conditioning", "small_scorer", "reward_model"):
        assert (among[-1].score, among[-1].reason) == (None, "refused")


def test_a_lost_picture_has_no_similarity(made):
    prompts, tools = made
    gone = prompts[0].model_copy(update={"images": (prompts[0].images[0].model_copy(update={"sha256": "0" * 64}),)})
    (verdicts,) = found(tools, [group(gone, "red", "blue")], name="small_scorer", model="clip", weight=1)
    assert {(v.score, v.reason) for v in verdicts} == {(None, "picture")}


def test_a_reward_model_scores_by_what_it_has_learned(made):
    prompts, tools = made
    caption = next(p for p in prompts if p.skill == "caption")
    texts = ("red circle", "blue circle", "blue square , red circle", "yes no", "blue red")
    (verdicts,) = found(tools, [group(caption, *texts)], name="reward_model", model="rm", text="{question} {answer}")
    assert [v.passed for v in verdicts] == ["red" in text for text in texts]
    (ranked,) = found(
        tools, [group(caption, *texts)], name="reward_model", model="rm", score="rank", text="{question} {answer}"
    )
    order = sorted(range(5), key=lambda i: verdicts[i].parts[0].score)
    assert [ranked[i].score for i in order] == [0, 0.25, 0.5, 0.75, 1]


def test_rewards_do_not_depend_on_the_batch(made):
    prompts, tools = made
    groups = [group(p, "red", "blue square , red circle", "2") for p in prompts]
    small = found(tools, groups, name="reward_model", model="rm", batch_size=1)
    large = found(tools, groups, name="reward_model", model="rm")
    scores = [[v.score for one in verdicts for v in one] for verdicts in (small, large)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)


def test_another_kind_of_model_is_refused_by_its_name(made, scorer_folder, tmp_path):
    _, tools = made
    with pytest.raises(ModelError, match="2 outputs"):
        RewardModel(tools.folder("two"), 1)
    with pytest.raises(ModelError, match="reward model"):
        RewardModel(scorer_folder, 1)
    with pytest.raises(ModelError, match="CLIP"):
        ImageText(SEED_DIR, 1)
    with pytest.raises(ModelError, match="CLIP"):
        ImageText(tmp_path, 1)
    with pytest.raises(VerifierError, match="begin"):
        tools.folder("unpinned")


def test_a_recipe_names_the_models_that_begin_must_pin():
    config = VerifyConfig.model_validate(
        {"verifiers": [{"name": "small_scorer", "model": "a"}, {"name": "reward_model", "model": "b"}, "likelihood"]}
    )
    assert list(config.sources()) == ["a", "b"]
