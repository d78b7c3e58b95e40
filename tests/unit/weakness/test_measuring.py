"""Measuring weaknesses: on validation alone, kept once, and what a round weighs its prompts by."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ratchet import models, rounds
from ratchet.artifacts import ModelRef
from ratchet.errors import ArtifactError, PromptSetError, RoundError
from ratchet.generate import SamplingParams
from ratchet.generate import weakness as weighing
from ratchet.generate.engine import Engine
from ratchet.generate.plan import plan_of
from ratchet.generate.strategies import Tools
from ratchet.recipe import EvaluateConfig, WeaknessConfig
from ratchet.records import Completion, Group, Prompt
from ratchet.rounds import write_round
from ratchet.stage import context_of
from ratchet.store import FolderStore, Store
from ratchet.tinyworld import SKILLS
from ratchet.weakness.keeping import keep, last_of, of_round, place, read
from ratchet.weakness.loops import Wanted, of_loop
from ratchet.weakness.measuring import measured
from tests import tiny
from tests.fenced import Fenced
from tests.unit.loops import LOOP, new_loop, opened

FAKE = ModelRef(name="fake", version="2", uri="s3://b/fake", digest="f" * 64)


class Knowing:
    """Answers with the reference, but for `weak` skills; fails those in `dead`."""

    def __init__(self, weak: Sequence[str] = (), dead: Sequence[str] = ()) -> None:
        self.weak, self.dead = weak, dead
        self.asked: list[str] = []

    def sample(self, prompts: Sequence[Prompt], params: SamplingParams) -> Iterator[Group]:
        assert params.temperature == 0
        for prompt in prompts:
            self.asked.append(prompt.id)
            finish = "error" if prompt.id in self.dead else "stop"
            text = "?" if prompt.skill in self.weak else prompt.reference or ""
            made = Completion(
                index=0, text=text, finish_reason=finish, sampling=params.record(), n_tokens=1, model="fake",
                error="server: 500" if finish == "error" else None,
            )  # fmt: skip
            yield Group(prompt=prompt, completions=(made,))


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(str(tmp_path / "store"))


def test_only_validation_is_read_and_weak_skills_are_found(tmp_path):
    plain = FolderStore(str(tmp_path / "s"))
    prompts = tiny.prompt_set(plain, pool=9, validation=27, holdout=9, report=9)
    weak = Knowing(weak=[SKILLS[0]])
    found = measured(Fenced(str(tmp_path / "s")), FAKE, prompts, EvaluateConfig(), 3, sampler=weak)
    assert (found.split, found.asked, found.overall.n, found.prompts) == ("validation", 27, 27, prompts.digest)
    assert set(weak.asked) == {p.id for p in tiny.world("validation", 27)[0]}
    errors = {one.name: one.error for one in found.skills}
    assert errors.pop(SKILLS[0]) == 1.0
    assert set(errors.values()) == {0.0}
    assert {one.said for one in found.confusions} == {""}


def test_answers_that_failed_are_counted_apart(store):
    prompts = tiny.prompt_set(store, validation=9)
    dead = [p.id for p in tiny.world("validation", 2)[0]]
    found = measured(store, FAKE, prompts, EvaluateConfig(), 3, sampler=Knowing(dead=dead))
    assert (found.asked, found.unanswered, found.overall.n) == (9, 2, 7)


def test_a_set_without_validation_is_refused(store):
    with pytest.raises(PromptSetError, match=r"no validation split, and weaknesses are measured on no other"):
        measured(store, FAKE, tiny.prompt_set(store, pool=9, holdout=9), EvaluateConfig(), 3, sampler=Knowing())


def test_the_first_report_stands_and_reads_back(store):
    prompts = tiny.prompt_set(store, validation=9)
    first = measured(store, FAKE, prompts, EvaluateConfig(), 3, sampler=Knowing())
    other = measured(store, FAKE, prompts, EvaluateConfig(), 3, sampler=Knowing(weak=SKILLS))
    prefix = rounds.round_prefix("tiny", 1)
    assert keep(store, prefix, first, None) == first
    assert keep(store, prefix, other, None) == first
    assert keep(store, prefix, other, 5) == other
    assert next(of_round(store, "tiny", 1, FAKE.digest)) in (first, other)
    assert list(of_round(store, "tiny", 1, "e" * 64)) == []
    store.put(place(prefix, FAKE, "x", 3, None), b'{"version": 9}')
    with pytest.raises(ArtifactError, match="`ratchet weakness` measures again"):
        read(store, place(prefix, FAKE, "x", 3, None))


def _round(store: Store, number: int, seed: ModelRef, weakness: dict[str, object]) -> rounds.Round:
    prompts = tiny.prompt_set(store, pool=90, validation=27, holdout=9, report=9)
    recipe = {
        "prompts": {"source": prompts.name, "pool": 90},
        "generate": {"prompts": 9, "max_new_tokens": 4, "k": 2, "weakness": weakness},
    }
    made = tiny.opened_round(store, seed, prompts, recipe).model_copy(update={"number": number})
    write_round(store, made)
    return made


def no_engine() -> Engine:
    raise AssertionError("no engine is needed")


def test_an_earlier_rounds_report_weighs_the_prompts_without_a_probe(tmp_path):
    plain = FolderStore(str(tmp_path / "s"))
    first = _round(plain, 1, FAKE, {"source": "last"})
    second = _round(plain, 2, FAKE, {"source": "last"})
    prompts = tiny.prompt_set(plain, pool=90, validation=27, holdout=9, report=9)
    found = measured(plain, FAKE, prompts, EvaluateConfig(), 3, sampler=Knowing(weak=[SKILLS[0]]))
    assert last_of(plain, second, 3) is None
    keep(plain, first.prefix, found, None)
    assert last_of(plain, second, 3) == found
    assert last_of(plain, second, 2) is None, "its bands are others"
    assert last_of(plain, first, 3) is None, "a round's own report is not an earlier one's"
    store = Fenced(str(tmp_path / "s"))
    context = context_of("generate", store, second, {})
    plan = plan_of(context, lambda bank: Tools(no_engine, context.config, 1, pictures=bank))
    assert plan.cells == weighing.weights(found, WeaknessConfig())
    assert (plan.reported, plan.probes) == (27, ())
    heavy = max(plan.cells, key=lambda one: one.weight)
    assert heavy.skill == SKILLS[0]


def test_a_probe_leaves_its_report_in_the_rounds_artifacts(store, tiny_seed):
    from ratchet.generate.running import Running

    seed = models.upload(store, tiny_seed, "tiny")
    context = context_of("generate", store, _round(store, 1, seed, {"source": "last", "probe": 18}), {})
    with Running(context) as run:
        plan = plan_of(context, run.tools)
    (found,) = of_round(store, "tiny", 1, seed.digest)
    assert (found.asked, plan.reported) == (18, None)
    assert [p.asked for p in plan.probes] == [18]
    assert plan.cells == weighing.weights(found, WeaknessConfig())


def test_the_command_line_shows_what_a_round_left(tmp_path, monkeypatch, capsys):
    from tests.program import program

    settings = new_loop(tmp_path)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    ratchet = program(monkeypatch, capsys)
    code, _, err = ratchet("weakness", "--loop", LOOP)
    assert (code, "has no round yet" in err) == (9, True)
    ticket = opened(settings)
    store = FolderStore(settings.root)
    with pytest.raises(RoundError, match=r"round 1 of loop mine has no report on weaknesses"):
        of_loop(settings, Wanted(LOOP, number=1))
    champion = rounds.read_round(store, LOOP, 1).seed
    prompts = tiny.prompt_set(store, digest="b" * 64, validation=18)
    found = measured(store, champion, prompts, EvaluateConfig(), 3, sampler=Knowing(weak=[SKILLS[0]]))
    keep(store, rounds.round_prefix(LOOP, ticket.number), found, None)
    code, out, _ = ratchet("weakness", "--loop", LOOP, "--json")
    assert (code, json.loads(out)["asked"]) == (0, 18)
    code, out, _ = ratchet("weakness", "--loop", LOOP, "--round", "1", "--html", str(tmp_path / "w.html"))
    assert code == 0
    assert "18 validation prompts" in " ".join(out.split())
    assert SKILLS[0] in out
    assert "<!doctype html>" in (tmp_path / "w.html").read_text()
    code, _, err = ratchet("weakness", "--loop", LOOP, "--round", "1", "--measure")
    assert code == 2
