"""What all stages share: keys, parents, the lease, and returning at once when the work is done."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from ratchet import recipe, rounds
from ratchet import stage as stages
from ratchet.artifacts import Manifest
from ratchet.errors import LeaseLost, ManifestMissing, RoundError
from ratchet.registry import lease as leases
from ratchet.rounds import Round, Ticket
from ratchet.settings import Settings
from ratchet.stage import STAGES, STEPS, StageContext, context_of, run_step, run_ticket, stage_key
from ratchet.store import Store, open_store
from tests.unit.loops import LOOP, ROWS, Row, leave, model, new_loop, opened


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return new_loop(tmp_path)


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings.root)


@pytest.fixture
def ticket(settings: Settings) -> Ticket:
    return opened(settings)


def one_row(context: StageContext) -> Manifest:
    """A stage that writes one row and counts how often it works."""
    worked.append(context.name)
    writer = context.writer(ROWS)
    context.check_lease()
    writer.write(0, [Row(text=context.name)])
    return writer.commit()


worked: list[str] = []


@pytest.fixture(autouse=True)
def _small_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    worked.clear()
    monkeypatch.setattr(stages, "import_module", lambda name: SimpleNamespace(run=one_row))


def test_the_stages_are_eight_and_each_reads_earlier_ones_only() -> None:
    assert ("begin", *STEPS, "finish") == STAGES
    seen: set[str] = set()
    for name, step in STEPS.items():
        assert set(step.parents) <= seen
        seen.add(name)


def test_a_key_depends_on_all_that_the_content_depends_on(settings: Settings, store: Store, ticket: Ticket) -> None:
    first = rounds.read_round(store, LOOP, 1)
    parent = leave(store, ticket, "generate")

    def key(of: Round = first, **changes: object) -> str:
        return stage_key("verify", of.model_copy(update=changes), {"generate": parent}, {})

    other_recipe = recipe.parse({"name": "other", "verify": {"policy": "none"}})
    renamed = first.recipe.model_copy(update={"name": "other", "train": other_recipe.train})
    assert key() == key(job="job-2", number=4, code_revision="other", loop="else", recipe=renamed)
    different = [
        key(salt="other"),
        key(seed=model(LOOP, "other")),
        key(recipe=other_recipe),
        stage_key("verify", first, {"generate": parent.model_copy(update={"content_digest": "0"})}, {}),
        stage_key("verify", first, {"generate": parent}, {"pool": "digest"}),
        stage_key("filter", first, {"generate": parent}, {}),
    ]
    assert len({key(), *different}) == len(different) + 1


def test_a_finished_stage_returns_at_once_even_to_a_run_that_lost_the_loop(
    settings: Settings, store: Store, ticket: Ticket
) -> None:
    made = run_ticket("generate", ticket, {}, settings)
    assert run_ticket("generate", ticket, {}, settings) == made
    assert run_ticket("generate", ticket.model_copy(update={"epoch": 9}), {}, settings) == made
    assert worked == ["generate"]
    assert (made.round, made.epoch, made.loop) == (1, 1, LOOP)


def test_a_run_that_lost_the_loop_does_not_begin_a_stage(settings: Settings, store: Store, ticket: Ticket) -> None:
    leases.Lease(store.sub(rounds.loop_prefix(LOOP)), ticket.job, ticket.epoch, 60).release()
    opened(settings, "job-2")
    with pytest.raises(LeaseLost, match="'job-2' with epoch 2; this run, 'job-1' with epoch 1"):
        run_ticket("generate", ticket, {}, settings)
    assert worked == []


def test_a_stage_opens_its_parents_manifest_first(settings: Settings, store: Store, ticket: Ticket) -> None:
    made = leave(store, ticket, "generate")
    store.delete(f"{store.key(made.uri)}/manifest.json")
    with pytest.raises(ManifestMissing, match=r"stage verify cannot start: its parent generate has no manifest"):
        run_ticket("verify", ticket, {"generate": made.uri}, settings)
    with pytest.raises(
        RoundError, match=r"stage promote needs the manifests of evaluate, train; missing: evaluate, train"
    ):
        run_ticket("promote", ticket, {}, settings)


def test_a_prompt_set_that_is_not_complete_says_what_finishes_it(store: Store, ticket: Ticket) -> None:
    first = rounds.read_round(store, LOOP, 1)
    store.delete(f"prompts/{first.prompts[:32]}/set.json")
    with pytest.raises(RoundError, match=r"prompt set .* is not complete .*`ratchet resume` runs begin again"):
        context_of("generate", store, first, {})


def test_the_seconds_of_blocks_add_up_and_a_failed_block_counts(store: Store, ticket: Ticket) -> None:
    context = context_of("generate", store, rounds.read_round(store, LOOP, 1), {})
    with context.clock("work"):
        pass
    before = context.seconds["work"]
    with pytest.raises(ValueError, match="stop"), context.clock("work"):
        raise ValueError("stop")
    assert context.seconds["work"] > before >= 0
    context.check_lease()
    assert run_step(context).epoch is None
