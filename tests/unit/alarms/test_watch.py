"""A running round under watch: what it is compared with, what is written down, what a stop does at filter and at promote."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from ratchet import alarms, canonical, rounds
from ratchet.alarms.watch import comparable, place, references
from ratchet.artifacts import GROUPS, ArtifactWriter, Header, Manifest
from ratchet.errors import RoundStopped
from ratchet.recipe import Recipe
from ratchet.records import Group
from ratchet.registry.store_registry import StoreRegistry
from ratchet.rounds import Round
from ratchet.stage import context_of, run_step
from ratchet.store import Store, open_store
from ratchet.verify.applying import verdicts_of
from ratchet.verify.tally import Tally
from tests import rows
from tests.unit.registry.rows import crown, outcomes, stage
from tests.unit.verify import staging

VARIED, UNIFORM = ("3", "4", "5", "6"), ("3", "3", "3", "3")
SMALL = {"min_prompts": 10}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path))


def opened(store: Store, number: int, alarms_: dict[str, Any] | None = None, **recipe: Any) -> Round:
    found = staging.round_at(store, {"alarms": {**SMALL, **(alarms_ or {})}, **recipe})
    return found.model_copy(update={"number": number, "salt": f"salt-{number}"})


def verified(store: Store, round_: Round, texts: tuple[str, ...], n: int = 20) -> Manifest:
    """What verify leaves of a round whose prompts were all answered by `texts`."""
    groups: list[Group] = [rows.group(i, texts) for i in range(n)]
    tally = Tally()
    tally.add(groups, verdicts_of(groups, None, 10), round_.recipe.verify)
    writer = ArtifactWriter(store, f"{round_.prefix}/verify-{len(texts)}", GROUPS, Header(stage="verify", key="k"))
    writer.write(0, groups)
    return writer.commit(results=tally.results())


def stored(store: Store, number: int, texts: tuple[str, ...] | None = VARIED, **recipe: Any) -> Round:
    """An earlier round, as far as verify."""
    found = opened(store, number, **recipe)
    rounds.write_round(store, found)
    if texts is not None:
        verified(store, found, texts)
    return found


def filtering(store: Store, round_: Round, texts: tuple[str, ...]) -> Any:
    return context_of("filter", store, round_, {"verify": verified(store, round_, texts)})


def test_a_first_round_has_nothing_to_be_compared_with(store: Store) -> None:
    now = opened(store, 1)
    assert alarms.check(filtering(store, now, UNIFORM)) == []
    body = canonical.loads(store.get(place(now.prefix, "filter")))
    assert (body["alarms"], body["compared_with"], body["vitals"]["agreement"]) == ([], [], 1.0)


def test_rounds_that_asked_or_judged_otherwise_or_never_verified_are_no_reference(store: Store) -> None:
    stored(store, 1, generate={"k": 4})
    stored(store, 2, None)
    stored(store, 3)
    stored(store, 4, train={"epochs": 1})
    stored(store, 5)
    stored(store, 6, verify={"policy": "mean"})
    assert [seen.number for seen in references(store, opened(store, 7), "verify")] == [3, 5]
    assert references(store, opened(store, 3), "verify") == []


def test_how_a_recipe_trains_filters_and_watches_does_not_make_rounds_incomparable() -> None:
    base = Recipe(name="a")
    for same in ({"alarms": {"tail": None}}, {"filter": {"min_pass_rate": 0.0}}, {"prompts": {"pool": 9}}):
        assert comparable(base, Recipe.model_validate({"name": "b", **same}))
    for other in ({"prompts": {"skills": ["count"]}}, {"generate": {"temperature": 0.5}}):
        assert not comparable(base, Recipe.model_validate({"name": "a", **other}))


def test_a_warning_is_logged_kept_and_passed_on_and_the_round_goes_on(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    stored(store, 1)
    now = opened(store, 2)
    with caplog.at_level(logging.WARNING):
        manifest = run_step(filtering(store, now, UNIFORM))
    names = {one["name"] for one in manifest.results["alarms"]}
    assert "entropy" in names
    assert any("alarm entropy (warn): the entropy of the answers" in said for said in caplog.messages)
    found = alarms.raised(store, now.loop, 2)
    assert ("filter", "entropy") in [(moment, one.name) for moment, one in found]
    assert [one.model_dump(mode="json") for _, one in found] == manifest.results["alarms"]


def test_a_stop_ends_filter_before_anything_is_written_and_again_when_it_is_run_again(store: Store) -> None:
    stored(store, 1)
    context = filtering(store, opened(store, 2, {"entropy": {"action": "stop"}}), UNIFORM)
    said = []
    for _ in range(2):
        with pytest.raises(RoundStopped) as stopped:
            run_step(context)
        said.append(str(stopped.value))
    assert said[0] == said[1]
    assert "fell from 1.386 to 0.000" in said[0]
    assert "(alarms.entropy.fall)" in said[0]
    assert "alarms.entropy.action warn" in said[0]
    assert "the next run opens a new round" in said[0]
    assert not store.exists(f"{context.prefix}/manifest.json")
    assert ("filter", "entropy") in [(moment, one.name) for moment, one in alarms.raised(store, "test", 2)]


def test_with_the_alarm_set_to_warn_the_same_answers_are_filtered(store: Store) -> None:
    stored(store, 1)
    with pytest.raises(RoundStopped):
        run_step(filtering(store, opened(store, 2, {"entropy": {"action": "stop"}}), UNIFORM))
    manifest = run_step(filtering(store, opened(store, 3), UNIFORM))
    assert manifest.results["rows"] == 20


def test_control_arms_watch_nothing(store: Store) -> None:
    stored(store, 1)
    arm = opened(store, 2, {"entropy": {"action": "stop"}}).model_copy(update={"control": "gold"})
    assert run_step(filtering(store, arm, UNIFORM)).results["alarms"] == []


def test_a_round_older_than_vitals_is_watched_without(store: Store) -> None:
    old = stored(store, 1, None)
    writer = ArtifactWriter(store, f"{old.prefix}/verify-x", GROUPS, Header(stage="verify", key="k"))
    writer.commit(results={"policy": "all"})
    assert alarms.check(filtering(store, opened(store, 2, {"entropy": {"action": "stop"}}), UNIFORM)) == []


def history_of_skills(store: Store, seed: Any, alarms_: dict[str, Any]) -> Any:
    """A promote stage of round 2, whose candidate is better than the champion, after a round 1 whose champion was far better."""
    recipe = Recipe.model_validate({"name": "tests", "alarms": alarms_})
    context = stage(store, seed, outcomes(wins=60, losses=20), number=2, recipe=recipe)
    first = context.round.model_copy(update={"number": 1})
    rounds.write_round(store, first)

    def measured(champion: float, candidate: float) -> dict[str, Any]:
        return {
            role: {"accuracy": share, "scored": 380, "skills": {"count": {"accuracy": share, "scored": 380}}}
            for role, share in (("champion", champion), ("candidate", candidate))
        }

    for at, results in ((first, measured(0.9, 0.9)), (context.round, measured(0.6, 0.7))):
        header = Header(stage="evaluate", key="k")
        writer = ArtifactWriter(store, f"{at.prefix}/evaluate-x", context_schema(), header)
        writer.write(0, outcomes(wins=60, losses=20))
        made = writer.commit(results=results)
        if at is context.round:
            context.parents = {**context.parents, "evaluate": made}
    return context


def context_schema() -> Any:
    from ratchet.evaluate.outcomes import OUTCOMES

    return OUTCOMES


@pytest.mark.parametrize("action", ["warn", "stop"])
def test_a_stop_at_promote_registers_the_candidate_and_leaves_the_alias_where_it_is(store: Store, action: str) -> None:
    registry = StoreRegistry(store)
    seed = crown(registry, store, "mine")
    context = history_of_skills(store, seed, {"skill": {"action": action}})
    results = run_step(context).results
    stops = action == "stop"
    champion = registry.champion("mine")
    assert champion is not None
    assert (results["state"], champion.version) == (("STOPPED", "1") if stops else ("PROMOTED", "2"))
    assert results["decision"]["promote"]
    assert [one["name"] for one in results["alarms"]] == ["skill"]
    assert [v.version for v in registry.versions("mine")] == ["1", "2"]
    if stops:
        assert "the candidate gets 0.700 of skill count right, the champion of round 1 0.900" in results["words"][-1]
