"""A round's suites: pinned, answered by both models, compared, and apart from the holdout."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ratchet import models
from ratchet.artifacts import Artifact, ImageBank, Manifest
from ratchet.errors import RecipeError
from ratchet.evaluate import OUTCOMES, metrics
from ratchet.evaluate.inputs import pin_suites
from ratchet.evaluate.suites import mmhal
from ratchet.generate import SamplingParams
from ratchet.generate.engine import Answer, Request, sample
from ratchet.promptset import PromptSetWriter, open_part
from ratchet.records import Group, Prompt
from ratchet.registry.evidence import side_by_side
from ratchet.rounds import Round
from ratchet.stage import StageContext, context_of, run_step
from ratchet.store import FolderStore
from tests import tiny
from tests.judge_server import JudgeServer, serving
from tests.unit.evaluate.suites.benchmark import pope

ASKED: list[tuple[str, int]] = []


class Saying:
    """An engine that says one thing, and notes how much it is asked."""

    def __init__(self, label: str, bank: ImageBank, text: str) -> None:
        self.label, self.bank, self.text = label, bank, text

    def answer(self, requests: Sequence[Request], params: SamplingParams) -> list[tuple[Answer, ...]]:
        ASKED.append((self.label, len(requests)))
        return [tuple(Answer(self.text, 2, "stop", n_prompt=9) for _ in range(params.k)) for _ in requests]

    def likelihoods(self, given: Any) -> list[Any]:
        return []

    def sample(self, prompts: Sequence[Prompt], params: SamplingParams) -> Iterator[Group]:
        return sample(self, prompts, params)

    def close(self) -> None:
        pass


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(str(tmp_path / "store"))


@pytest.fixture
def suites(tmp_path: Path) -> list[dict[str, Any]]:
    return [{"name": "pope", "source": str(pope(tmp_path / "files", pictures=12, parts=("random", "popular")))}]


@pytest.fixture(autouse=True)
def _say(monkeypatch: pytest.MonkeyPatch) -> None:
    ASKED.clear()

    def opened(store: Any, ref: Any, bank: ImageBank, config: Any, hook: Any = None) -> Saying:
        return Saying(ref.name, bank, "Yes." if ref.name == "always" else "no")

    monkeypatch.setattr("ratchet.evaluate.examining.sampler_of", opened)


def context(store: FolderStore, folder: Path, evaluate: dict[str, Any], **changed: Any) -> StageContext:
    prompts = tiny.prompt_set(store, pool=6, holdout=9, report=3)
    champion = models.upload(store, folder, "always")
    candidate = champion.model_copy(update={"name": "never", "digest": "c" * 64})
    recipe = {"evaluate": {"pass_at_k": None, **evaluate}, "verify": changed.pop("verify", {})}
    opened = tiny.opened_round(store, champion, prompts, recipe).model_copy(update=changed)
    train = Manifest(
        schema_name="model", schema_version=1, stage="train", key="k", rows=0, code_revision="test", content_digest="d",
        results={"model": candidate.model_dump(mode="json")}, uri=store.uri("train"),
    )  # fmt: skip
    return context_of("evaluate", store, opened, {"train": train})


def test_both_models_answer_a_suite_whose_results_stand_beside_the_holdouts(
    store: FolderStore, model_folder: Path, suites: list[dict[str, Any]]
) -> None:
    made = context(store, model_folder, {"suites": suites})
    manifest = run_step(made)
    outcomes = list(Artifact(store, made.prefix, OUTCOMES).rows())
    found = manifest.results["suites"]["pope"]
    assert (found["primary"], found["higher"], found["items"], found["judge"]) == ("f1", True, 24, None)
    assert (found["champion"]["accuracy"], found["champion"]["f1"]) == (0.5, pytest.approx(2 / 3, abs=1e-6))
    assert (found["candidate"]["accuracy"], found["candidate"]["f1"]) == (0.5, 0.0)
    assert found["delta"]["delta"] == pytest.approx(-2 / 3, abs=1e-6)
    assert found["delta"]["test"] == "halves"
    own = [one for one in outcomes if one.suite is None]
    assert len(own) == 18
    assert manifest.results["champion"] == metrics.summary(own)["champion"], "suites change no figure of the holdout"
    assert manifest.counts["items"] == 9
    evidence = side_by_side(outcomes)
    assert (len(evidence.holdout), len(evidence.suites["pope"])) == (9, 24)


def test_the_champion_is_not_asked_again_in_the_next_round(
    store: FolderStore, model_folder: Path, suites: list[dict[str, Any]]
) -> None:
    run_step(context(store, model_folder, {"suites": suites}))
    assert ASKED == [("always", 9), ("always", 12), ("never", 9), ("never", 12)]
    ASKED.clear()
    again = run_step(context(store, model_folder, {"suites": suites}, salt="salt-2"))
    assert ASKED == []
    assert again.results["spent"]["answers"]["champion"] == {
        "asked": 0, "recalled": 21, "tokens_in": 0, "tokens_out": 0, "seconds": 0.0,
    }  # fmt: skip


def test_nothing_is_kept_where_the_recipe_wants_no_cache(
    store: FolderStore, model_folder: Path, suites: list[dict[str, Any]]
) -> None:
    run_step(context(store, model_folder, {"suites": suites, "cache": False}))
    assert sum(n for _, n in ASKED) == 2 * (9 + 12), "a prompt of two parts is asked once all the same"
    assert list(store.list("answers/")) == []


def test_begin_pins_the_suites_and_other_items_are_another_stage(
    store: FolderStore, model_folder: Path, suites: list[dict[str, Any]], tmp_path: Path
) -> None:
    recipe = context(store, model_folder, {"suites": suites}).round.recipe
    pinned = pin_suites(store, recipe, "salt-1")
    first = context(store, model_folder, {"suites": suites}, suites=pinned)
    pope(tmp_path / "files", questions=6)
    assert context(store, model_folder, {"suites": suites}, suites=pinned).key == first.key, (
        "pinned when the round began"
    )
    assert context(store, model_folder, {"suites": suites}).key != first.key
    assert run_step(first).results["suites"]["pope"]["digest"] == pinned["pope"]


def test_a_recipe_names_suites_that_there_are_and_judges_where_they_are_needed(
    store: FolderStore, model_folder: Path, suites: list[dict[str, Any]]
) -> None:
    unknown = context(store, model_folder, {}).round.recipe
    for one, rule in (({"name": "nope"}, "no suite 'nope'; there are: "), ({"judge": "gpt"}, "marked by its own rule")):
        changed = unknown.model_copy(
            update={"evaluate": unknown.evaluate.model_validate({"suites": [{**suites[0], **one}]})}
        )
        with pytest.raises(RecipeError, match=rule):
            pin_suites(store, changed, "salt-1")


def with_pool(store: FolderStore, rows: Sequence[Prompt], pictures: dict[str, bytes]) -> str:
    """A prompt set with this pool and the tiny world's other splits."""
    source = tiny.prompt_set(store, digest="b" * 64, holdout=9, report=3)
    writer = PromptSetWriter(store, name="mixed", digest="e" * 64, source="tinyworld", salt="salt")
    writer.write_part("pool", rows, [tiny.pack(store, pictures, "mixed-pool")])
    for split in ("holdout", "report"):
        part = open_part(store, source, split)
        writer.write_part(split, part.rows(), part.manifest.packs)
    return writer.finish([]).digest


def test_items_that_the_pool_shows_are_counted_and_left_out_of_a_second_reading(
    store: FolderStore, model_folder: Path, suites: list[dict[str, Any]], tmp_path: Path
) -> None:
    suites[0]["source"] = str(pope(tmp_path / "files", questions=24, pictures=12))
    prompts, pictures = tiny.world("pool", 3)
    taken = (tmp_path / "files" / "1.png").read_bytes()
    ref = ImageBank(store, []).add(taken)
    copied = Prompt.make(messages=prompts[0].messages, images=[ref], skill="count", source="elsewhere", reference="2")
    digest = with_pool(store, [*prompts, copied], {**pictures, ref.sha256: taken})
    exact = {"suites": suites, "contamination": {"near_bits": None, "ngram": None}}
    made = context(store, model_folder, exact, prompts=digest)
    found = run_step(made).results["suites"]["pope"]["contamination"]
    outcomes = list(Artifact(store, made.prefix, OUTCOMES).rows())
    assert [one.shown for one in outcomes if one.shown] == ["picture"] * 4, "two items, two models"
    evidence = side_by_side(outcomes)
    assert (len(evidence.suites["pope"]), evidence.shown) == (22, {"pope": (2, 24)})
    assert found["by"] == {"picture": 2}
    assert found["share"] == pytest.approx(1 / 12, abs=1e-6)
    assert found["without"]["items"] == 22
    assert found["without"]["candidate"]["f1"] == 0.0
    assert found["without"]["delta"]["n"] == 22
    off = run_step(context(store, model_folder, {"suites": suites, "contamination": None}, prompts=digest))
    assert off.results["suites"]["pope"]["contamination"] is None


def test_a_judge_of_the_recipe_marks_both_models_and_is_pinned_and_a_suite_draws_for_the_round(
    store: FolderStore, model_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mmhal"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "1.png").write_bytes(tiny.png())
    row = {
        "question_type": "attribute", "question_topic": "t", "image_id": "i1", "image_src": "https://x/1.png",
        "image_content": ["dog"], "question": "What is there?", "gt_answer": "a dog",
    }  # fmt: skip
    (folder / "response_template.json").write_text(json.dumps([row]))
    chosen = [{"name": "mmhal", "source": str(folder), "judge": "critic"}, {"name": "spatial", "items": 8}]
    own = mmhal.prompt().count("Yes.")
    with serving(JudgeServer(lambda text: f"Rating: {6 if text.count('Yes.') > own else 0}")) as server:
        judges = {"critic": {"engine": {"kind": "endpoint", "url": server.url}}}
        made = run_step(context(store, model_folder, {"suites": chosen}, verify={"judges": judges}))
    found = made.results["suites"]["mmhal"]
    assert (found["champion"]["rating"], found["candidate"]["rating"], found["delta"]) == (6.0, 0.0, None)
    assert found["judge"]["judge"]["model"] == "judge-1"
    assert made.results["spent"]["judges"]["critic"]["calls"] == 2
    assert 0 < made.results["suites"]["spatial"]["items"] <= 8


def test_a_round_of_before_names_no_suites() -> None:
    assert Round.model_fields["suites"].default == {}
