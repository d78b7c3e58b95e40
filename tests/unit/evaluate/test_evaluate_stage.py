from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ratchet import models
from ratchet.artifacts import Artifact, Manifest, ModelRef
from ratchet.errors import ArtifactError
from ratchet.evaluate import OUTCOMES, examining, metrics
from ratchet.evaluate import stage as evaluate
from ratchet.evaluate.measuring import measure, subset
from ratchet.generate import Sampler, SamplingParams
from ratchet.recipe import EvaluateConfig, PassAtKConfig
from ratchet.records import Completion, Group, Prompt
from ratchet.stage import StageContext, context_of, run_step
from ratchet.store import FolderStore, Store
from ratchet.weakness.keeping import of_round
from tests import tiny

CONFIG = {"max_new_tokens": 4, "batch_size": 16, "pass_at_k": {"k": 2, "prompts": 9}}


class Stopped(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ratchet.evaluate.examining.SHARD_ROWS", 9)


@pytest.fixture(scope="session")
def candidate_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_model(tmp_path_factory.mktemp("candidate"), seed=1)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(str(tmp_path / "store"))


def _train(store: Store, results: dict[str, Any]) -> Manifest:
    return Manifest(
        schema_name="model",
        schema_version=1,
        stage="train",
        key="k",
        rows=0,
        results=results,
        code_revision="test",
        content_digest="d",
        uri=store.uri("train"),
    )


def _context(store: Store, champion: Path, candidate: Path) -> StageContext:
    prompts = tiny.prompt_set(store, pool=3, holdout=18, report=3)
    seed, made = models.upload(store, champion, "tiny"), models.upload(store, candidate, "tiny")
    opened = tiny.opened_round(store, seed, prompts, {"evaluate": CONFIG})
    return context_of("evaluate", store, opened, {"train": _train(store, {"model": made.model_dump(mode="json")})})


def test_both_models_answer_the_same_items(store, model_folder, candidate_folder):
    context = _context(store, model_folder, candidate_folder)
    manifest = run_step(context)
    outcomes = list(Artifact(store, context.prefix, OUTCOMES).rows())
    ids = {role: [o.prompt_id for o in outcomes if o.role == role] for role in ("champion", "candidate")}
    assert ids["champion"] == ids["candidate"]
    assert len(ids["champion"]) == 18
    assert manifest.rows == 36
    assert manifest.counts["items"] == 18
    drawn = {role: {o.prompt_id for o in outcomes if o.role == role and o.samples} for role in ids}
    assert drawn["champion"] == drawn["candidate"]
    assert len(drawn["champion"]) == 9
    beside = {name: manifest.results[name] for name in ("models", "spent")}
    assert manifest.results == {**metrics.summary(outcomes), **beside}
    assert manifest.results["models"]["champion"]["digest"] == context.round.seed.digest


def test_a_resumed_evaluation_gives_the_bytes_of_an_undisturbed_one(store, tmp_path, model_folder, candidate_folder):
    undisturbed = run_step(_context(FolderStore(str(tmp_path / "other")), model_folder, candidate_folder))
    broken = _context(store, model_folder, candidate_folder)

    def stop_at_the_candidate(done: int, total: int, unit: str, note: str = "") -> None:
        if note == "candidate":
            raise Stopped

    broken.progress = stop_at_the_candidate
    with pytest.raises(Stopped):
        run_step(broken)
    assert [broken.writer(OUTCOMES).finished(i) is not None for i in range(4)] == [True, True, False, False]
    context = _context(store, model_folder, candidate_folder)
    seen: list[tuple[int, int]] = []
    context.progress = lambda done, total, unit, note="": seen.append((done, total))
    resumed = run_step(context)
    assert [s.sha256 for s in resumed.shards] == [s.sha256 for s in undisturbed.shards]
    assert resumed.results["candidate"] == undisturbed.results["candidate"]
    assert seen[-1] == (72, 72), "18 greedy and 9 x 2 sampled answers, of two models"


def test_a_model_against_itself_has_no_delta(store, model_folder):
    manifest = run_step(_context(store, model_folder, model_folder))
    assert manifest.results["delta"]["delta"] == 0
    assert manifest.results["champion"] == manifest.results["candidate"]


def test_a_train_manifest_without_a_model_is_refused(store):
    with pytest.raises(ArtifactError, match="names no model"):
        evaluate.candidate_of(_train(store, {}))


def test_weaknesses_are_measured_with_the_models_that_are_loaded_already(
    store: FolderStore, model_folder: Path, candidate_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    real = examining.sampler_of

    def counting(store: Store, model: ModelRef, *rest: Any) -> Any:
        opened.append(model.digest)
        return real(store, model, *rest)

    monkeypatch.setattr(examining, "sampler_of", counting)
    monkeypatch.setattr("ratchet.weakness.measuring.sampler_of", counting)
    prompts = tiny.prompt_set(store, pool=3, validation=9, holdout=9, report=3)
    seed, made = (models.upload(store, folder, "tiny") for folder in (model_folder, candidate_folder))
    config = {"max_new_tokens": 4, "batch_size": 16, "pass_at_k": None, "weakness": True}
    settled = tiny.opened_round(store, seed, prompts, {"evaluate": config})
    results = {"model": made.model_dump(mode="json")}
    manifest = run_step(context_of("evaluate", store, settled, {"train": _train(store, results)}))
    assert sorted(opened) == sorted([seed.digest, made.digest]), "each once"
    found = {one.model.digest: one for one in of_round(store, settled.loop, settled.number)}
    assert {digest: one.asked for digest, one in found.items()} == {seed.digest: 9, made.digest: 9}
    assert manifest.results["spent"]["answers"]["candidate"]["asked"] == 18
    assert "weakness" in manifest.seconds


class Knowing:
    """Answers with the reference, on `skills` only; else with nothing sensible."""

    def __init__(self, *skills: str) -> None:
        self.skills = skills
        self.asked: list[SamplingParams] = []

    def sample(self, prompts: Sequence[Prompt], params: SamplingParams) -> Iterator[Group]:
        self.asked.append(params)
        for prompt in prompts:
            text = prompt.reference if prompt.skill in self.skills else "?"
            made = [
                Completion(
                    index=i, text=text or "", finish_reason="stop", sampling=params.record(), n_tokens=1, model="fake"
                )
                for i in range(params.k)
            ]
            yield Group(prompt=prompt, completions=tuple(made))


def _measured(store: Store, sampler: Sampler) -> list[Any]:
    prompts, pictures = tiny.world("holdout", 18)
    ref = ModelRef(name="fake", uri=store.uri("models/fake/x"), digest="0" * 64)
    config = EvaluateConfig.model_validate(CONFIG)
    return measure(store, ref, prompts, tiny.bank(store, pictures), config, salt="s", sampler=sampler)


def test_a_model_is_measured_outside_of_a_round(store):
    sampler = Knowing("count", "caption", "exist")
    outcomes = _measured(store, sampler)
    found = metrics.summary(outcomes)["candidate"]
    assert found["accuracy"] == pytest.approx(3 / 9, abs=1e-6)
    assert found["skills"]["count"]["accuracy"] == 1.0
    assert found["skills"]["add"]["accuracy"] == 0.0
    assert (found["chair"]["chair_i"], found["chair"]["cover"]) == (0.0, 1.0)
    assert found["yes_no"]["accuracy"] == 1.0
    assert found["sampled"]["pass_at_k"] == pytest.approx(3 / 9, abs=1e-6)
    assert [(p.k, p.temperature) for p in sampler.asked] == [(1, 0.0), (2, 1.0)]


def test_the_reference_of_every_tiny_world_skill_is_right(store):
    from ratchet.tinyworld import SKILLS

    assert all(o.correct for o in _measured(store, Knowing(*SKILLS)))


def test_the_sampled_subset_has_each_skill_by_its_share():
    items = [(f"a{i}", "a") for i in range(80)] + [(f"b{i}", "b") for i in range(20)]
    config = PassAtKConfig(prompts=10)
    drawn = subset(items, config, "salt")
    assert Counter(id_[0] for id_ in drawn) == {"a": 8, "b": 2}
    assert subset(reversed(items), config, "salt") == drawn, "the order of items does not matter"
    assert subset(items, config, "other") != drawn
    assert len(subset(items, PassAtKConfig(prompts=500), "salt")) == 100
    assert subset(items, None, "salt") == frozenset()
