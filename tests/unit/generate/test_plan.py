"""The plan of a round: made once from `validation`, agreed on by all shards, and told in the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ratchet import models
from ratchet.artifacts import GROUPS, Artifact
from ratchet.errors import SamplingError
from ratchet.generate import Answer, Request, SamplingParams, running
from ratchet.generate import stage as generate
from ratchet.generate.choosing import choose
from ratchet.generate.engine import Engine
from ratchet.generate.plan import Plan, plan_of
from ratchet.generate.running import Running
from ratchet.importing import ImportOptions, import_prompts
from ratchet.promptset import PromptSet, PromptSetWriter, open_part
from ratchet.stage import StageContext, context_of, run_step
from ratchet.store import FolderStore, Store
from ratchet.tinyworld.seed import SEED_DIR
from tests import tiny
from tests.fenced import Fenced
from tests.unit.importing.samples import folder_of, rows_of

SMALL = {"k": 2, "max_new_tokens": 8, "rows_per_file": 20}
TUNE = {"temperatures": [0.5, 1.5], "prompts": 18, "k": 2}
GUIDED = {**SMALL, "prompts": 36, "tune": TUNE, "weakness": {"bands": 2}}


class Listening:
    """A real engine that notes the ids it is asked, call by call, and fails those in `dead`."""

    def __init__(self, engine: Engine, asked: list[tuple[SamplingParams, list[str]]], dead: set[str]) -> None:
        self.engine, self.asked, self.dead, self.label = engine, asked, dead, engine.label

    @property
    def bank(self) -> Any:
        return self.engine.bank

    @bank.setter
    def bank(self, bank: Any) -> None:
        self.engine.bank = bank

    def answer(self, requests: Sequence[Request], params: SamplingParams) -> list[tuple[Answer, ...]]:
        self.asked.append((params, [r.id for r in requests]))
        failed = (Answer.failed("server", "500"),) * params.k
        made = self.engine.answer(requests, params)
        return [failed if r.id in self.dead else one for r, one in zip(requests, made, strict=True)]

    def close(self) -> None:
        self.engine.close()


@pytest.fixture
def dead() -> set[str]:
    return set()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, dead: set[str]) -> list[tuple[SamplingParams, list[str]]]:
    """What the stage's engines are asked, in order."""
    heard: list[tuple[SamplingParams, list[str]]] = []
    real = running.open_engine
    monkeypatch.setattr(running, "open_engine", lambda *given: Listening(real(*given), heard, dead))
    return heard


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(str(tmp_path / "store"))


def _context(store: Store, config: dict[str, Any], prompts: PromptSet | None = None) -> StageContext:
    """The generate stage of a round over 90 pool and 54 validation prompts, with the shipped seed."""
    prompts = prompts or tiny.prompt_set(store, pool=90, validation=54, holdout=18, report=18)
    seed = models.upload(store, SEED_DIR, "seed")
    recipe = {"prompts": {"source": prompts.name, "pool": prompts.rows["pool"]}, "generate": config}
    return context_of("generate", store, tiny.opened_round(store, seed, prompts, recipe), {})


def _ids(store: Store, prompts: PromptSet, split: str) -> set[str]:
    return {p.id for p in open_part(store, prompts, split).rows()}


def test_where_nothing_is_to_decide_nothing_is_asked_stored_or_told(store, asked):
    context = _context(store, SMALL)
    with Running(context) as run:
        plan = plan_of(context, run.tools)
    assert plan == Plan()
    assert not asked
    assert not list(store.list(context.prefix))
    pool = open_part(store, context.prompt_set(), "pool")
    assert plan.told(choose(pool, 9, "a")) == {}


def test_a_guided_stage_takes_what_it_decided_and_says_so(store):
    context = _context(store, GUIDED)
    results = run_step(context).results
    groups = list(Artifact(store, context.prefix, GROUPS).rows())
    curve = results["temperature"]["curve"]
    assert [p["temperature"] for p in curve] == [0.5, 1.5]
    assert all(set(p) == {"temperature", "pass_at_2", "se", "prompts"} and p["prompts"] == 18 for p in curve)
    chosen = results["temperature"]["chosen"]
    assert chosen == max(curve, key=lambda p: (p["pass_at_2"], -p["temperature"]))["temperature"]
    assert {c.sampling.temperature for g in groups for c in g.completions} == {chosen}
    cells = results["cells"]
    assert sum(c["probed"] for c in cells) == 54
    assert sum(c["asked"] for c in cells) == sum(c["came"] for c in cells) == len(groups) == 36
    for cell in cells:
        came = [g for g in groups if g.prompt.skill == cell["skill"] and (g.prompt.difficulty >= 0.5) == cell["band"]]
        assert len(came) == cell["came"]
    # What the seed got wrong more often is taken more often, against the pool's share.
    pool = list(open_part(store, context.prompt_set(), "pool").rows())
    share = {
        (c["skill"], c["band"]): c["asked"]
        / sum(p.skill == c["skill"] and (p.difficulty >= 0.5) == c["band"] for p in pool)
        for c in cells
        if c["asked"]
    }
    heavy, light = (pick(cells, key=lambda c: c["weight"]) for pick in (max, min))
    assert heavy["right"] / heavy["probed"] < light["right"] / light["probed"]
    assert share.get((heavy["skill"], heavy["band"]), 1) > share.get((light["skill"], light["band"]), 0)


def test_only_the_seeds_own_pool_and_validation_prompts_pass_the_engine(tmp_path, asked):
    plain = FolderStore(str(tmp_path / "store"))
    prompts = tiny.prompt_set(plain, pool=90, validation=54, holdout=18, report=18)
    store = Fenced(str(tmp_path / "store"))
    context = _context(store, GUIDED, prompts)
    run_step(context)
    pool, validation = _ids(plain, prompts, "pool"), _ids(plain, prompts, "validation")
    held = _ids(plain, prompts, "holdout") | _ids(plain, prompts, "report")
    probed = {id_ for params, ids in asked for id_ in ids if id_ in validation}
    sampled = {id_ for params, ids in asked for id_ in ids} - validation
    assert probed == validation
    assert len(sampled) == 36
    assert sampled < pool
    assert not held & (probed | sampled)
    written = {g.prompt.id for g in Artifact(plain, context.prefix, GROUPS).rows()}
    assert written == sampled, "what was probed is not learned from"


def test_the_fence_of_these_tests_does_fence(tmp_path):
    prompts = tiny.prompt_set(FolderStore(str(tmp_path)), pool=9, holdout=9)
    with pytest.raises(AssertionError, match="holdout"):
        list(open_part(Fenced(str(tmp_path)), prompts, "holdout").rows())


def test_one_probe_serves_all_shards_and_every_later_try(store, asked):
    context = _context(store, {**GUIDED, "shards": 2})
    validation = _ids(store, context.prompt_set(), "validation")
    generate.run_shard(context, 1)
    assert any(validation & set(ids) for _, ids in asked)
    asked.clear()
    generate.run_shard(_context(store, {**GUIDED, "shards": 2}), 0)
    assert asked
    assert not any(validation & set(ids) for _, ids in asked)
    merged = run_step(_context(store, {**GUIDED, "shards": 2}))
    parts = [Artifact(store, f"{context.prefix}/shards/{n:04d}", GROUPS).manifest.results for n in (0, 1)]
    for name in ("temperature", "cells", "probes"):
        assert merged.results[name] == parts[0][name] == parts[1][name]
    assert merged.rows == sum(c["came"] for c in merged.results["cells"]) == 36


def test_of_two_writers_both_take_the_plan_of_the_first(store):
    """Another machine's shard stores its plan while this one probes; floats need not agree between machines."""
    context = _context(store, {**SMALL, "tune": TUNE})
    theirs = Plan(temperature=0.9)
    with Running(context) as run:

        def tools(bank):
            store.put(f"{context.prefix}/plan.json", theirs.model_dump_json().encode())
            return run.tools(bank)

        assert plan_of(context, tools) == theirs
        assert plan_of(context, tools) == theirs
    assert Plan.model_validate_json(store.get(f"{context.prefix}/plan.json")) == theirs


def test_a_plan_reads_back_as_it_was_made(store):
    context = _context(store, GUIDED)
    with Running(context) as run:
        made = plan_of(context, run.tools)
        assert made.cells
        assert made.curve
        assert plan_of(context, lambda _: pytest.fail("it is stored")) == made


def test_a_weakness_probe_can_be_a_part_of_validation(store, asked):
    context = _context(store, {**SMALL, "prompts": 36, "weakness": {"probe": 20}})
    with Running(context) as run:
        plan = plan_of(context, run.tools)
    assert sum(len(ids) for _, ids in asked) == sum(c.probed for c in plan.cells) == 20
    assert {params.temperature for params, _ in asked} == {0.0}
    assert plan.temperature is None


def test_prompts_without_an_answer_are_counted_and_too_many_stop_the_stage(store, asked, dead):
    context = _context(store, {**SMALL, "prompts": 36, "weakness": {}, "max_error_share": 0.1})
    validation = sorted(_ids(store, context.prompt_set(), "validation"))
    dead |= set(validation[:5])
    with Running(context) as run:
        plan = plan_of(context, run.tools)
    assert sum(c.probed for c in plan.cells) == 49
    assert [(p.name, p.asked, p.unanswered, p.unscored) for p in plan.probes] == [("weakness", 54, 5, 0)]
    dead |= set(validation[:6])
    context = _context(store, {**SMALL, "prompts": 37, "weakness": {}, "max_error_share": 0.1})
    with Running(context) as run, pytest.raises(SamplingError, match=r"6 of 54 probe prompts got no answer"):
        plan_of(context, run.tools)
    assert not store.exists(f"{context.prefix}/plan.json")


@pytest.mark.parametrize("guide", [{"tune": TUNE}, {"weakness": {}, "prompts": 9}])
@pytest.mark.parametrize("rows", [{}, {"validation": 0}])
def test_a_set_without_validation_prompts_cannot_be_probed(store, guide, rows):
    prompts = tiny.prompt_set(store, pool=18, holdout=9, **rows)
    with pytest.raises(SamplingError, match=r"prompt set tiny has none; raise prompts\.validation"):
        run_step(_context(store, {**SMALL, **guide}, prompts))


def test_progress_tells_of_the_probe_first_and_then_counts_completions_from_nothing(store):
    context = _context(store, GUIDED)
    seen: list[tuple[int, int, str]] = []
    context.progress = lambda done, total, unit, note="": seen.append((done, total, unit))
    run_step(context)
    probing = [one for one in seen if one[2] == "probe prompts"]
    sampling = [one for one in seen if one[2] == "completions"]
    assert seen == probing + sampling
    assert probing[0] == (0, 36, "probe prompts")
    assert [done for done, _, _ in sampling] == sorted(done for done, _, _ in sampling)
    assert sampling[-1] == (72, 72, "completions")


def _imported(store: Store, folder: Path, **columns: Any) -> PromptSet:
    """An imported set of 150 dot counts in two skills; `columns` are functions of a row's number."""
    rows = [
        {**row, "answer": "2", "verifier": "numeric", **{name: value(n) for name, value in columns.items()}}
        for n, row in enumerate(rows_of(150))
    ]
    return import_prompts(str(folder_of(folder, rows)), store, ImportOptions.model_validate({"name": "dots"})).set


@pytest.mark.parametrize("banded", [True, False])
def test_an_imported_set_with_skills_is_weighed_with_and_without_difficulty(store, tmp_path, banded):
    columns: dict[str, Any] = {"skill": lambda n: ("dots", "spots")[n % 2]}
    if banded:
        columns["difficulty"] = lambda n: str(n % 3 / 2)
    prompts = _imported(store, tmp_path / "in", **columns)
    cells = run_step(_context(store, {**SMALL, "prompts": 30, "weakness": {}}, prompts)).results["cells"]
    assert {(c["skill"], c["band"]) for c in cells} == {
        (skill, band) for skill in ("dots", "spots") for band in ((0, 1, 2) if banded else (None,))
    }
    assert sum(c["probed"] for c in cells) == prompts.rows["validation"]
    assert sum(c["came"] for c in cells) == 30


def test_an_imported_pool_that_is_taken_whole_cannot_be_weighed(store, tmp_path):
    prompts = _imported(store, tmp_path / "in")
    with pytest.raises(SamplingError, match=r"weights choose nothing; set generate\.prompts below"):
        run_step(_context(store, {**SMALL, "prompts": 500, "weakness": {}}, prompts))


def test_prompts_that_name_no_verifier_cannot_be_probed(store):
    prompts, pictures = tiny.world("validation", 9)
    writer = PromptSetWriter(store, name="bare", digest="c" * 64, source="mine", salt="s")
    writer.write_part("pool", tiny.world("pool", 18)[0], [])
    bare = [p.model_copy(update={"verifiers": ()}) for p in prompts]
    writer.write_part("validation", bare, [tiny.pack(store, pictures)])
    with pytest.raises(SamplingError, match="need a reference and rule verifiers"):
        run_step(_context(store, {**SMALL, "tune": TUNE}, writer.finish([])))
