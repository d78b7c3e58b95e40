"""The stage promote: what it leaves behind, and that killing it anywhere changes nothing of that."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from ratchet.errors import LeaseLost, RegistryError, RegistryUnavailable
from ratchet.recipe import EvaluateConfig, HoldoutConfig, PrimaryConfig, PromoteConfig, Recipe
from ratchet.registry import lease as leases
from ratchet.registry.base import DECISION, DIGEST, PROMOTED_FROM, REASON, ROUND
from ratchet.registry.gate import DECISIONS
from ratchet.registry.looks import Looks
from ratchet.registry.mlflow_registry import MlflowRegistry
from ratchet.registry.promotion import history, promote
from ratchet.registry.stage import run
from ratchet.registry.store_registry import StoreRegistry
from ratchet.store import Store, open_store
from tests.unit.registry.rows import FAMILY, both, crown, model, outcome, outcomes, prompt_set, stage

LOOP = "mine"
BETTER = outcomes(wins=60, losses=20)
WORSE = outcomes(wins=20, losses=60)


@pytest.fixture
def store(tmp_path) -> Store:
    return open_store(str(tmp_path))


@pytest.fixture
def registry(store) -> StoreRegistry:
    return StoreRegistry(store)


@pytest.fixture
def seed(store, registry):
    return crown(registry, store, LOOP)


def looks(store) -> int:
    return Looks(store, FAMILY).next_number() - 1


def test_a_better_candidate_is_registered_judged_and_promoted(store, registry, seed):
    manifest = run(stage(store, seed, BETTER))
    results = manifest.results
    assert (results["state"], results["candidate"], results["champion"], results["promotion"]) == (
        "PROMOTED",
        "2",
        "2",
        2,
    )
    assert (results["decision"]["reason"], results["decision"]["look"]) == ("better", 1)
    assert manifest.counts == {"promoted": 1, "items": 380, "unscored": 0}
    assert manifest.rows == 1
    champion = registry.champion(LOOP)
    assert (champion.version, champion.digest) == ("2", model("candidate", LOOP).digest)
    for key, value in {ROUND: "1", DECISION: "PROMOTED", REASON: "better", PROMOTED_FROM: "1"}.items():
        assert champion.tags[key] == value
    assert champion.tags["ratchet.parent_version"] == "1"
    assert champion.tags["ratchet.gate_report"] == manifest.uri
    assert registry.metrics(LOOP, "2")["evaluate/accuracy/count"] == 0.5
    assert registry.metrics(LOOP, "2")["gate/p_value"] == results["decision"]["p_value"]
    assert registry.curves(LOOP, "2")["train/loss"] == [(1, 1.0), (2, 0.5)]
    assert looks(store) == 1


def test_the_artifact_holds_the_decision_as_its_row(store, registry, seed):
    context = stage(store, seed, BETTER)
    run(context)
    from ratchet.artifacts import Artifact

    (row,) = Artifact.open(store, store.uri(context.prefix), DECISIONS).rows()
    assert row.promote
    assert row.sentences[-1] == "Promote."


def test_a_candidate_that_is_not_better_is_registered_and_refused(store, registry, seed):
    results = run(stage(store, seed, WORSE)).results
    assert (results["state"], results["candidate"], results["champion"], results["promotion"]) == (
        "REFUSED",
        "2",
        "1",
        None,
    )
    assert registry.champion(LOOP).version == "1"
    assert registry.version(LOOP, "2").tags[DECISION] == "REFUSED"
    assert len(history(store, LOOP)) == 1
    assert looks(store) == 1


def test_a_champion_that_moved_during_the_round_makes_it_stale(store, registry, seed):
    context = stage(store, seed, BETTER)
    other = registry.register(LOOP, "s3://b/other", "e" * 64)
    promote(registry, store, LOOP, other.version, expected="1", key="person", by="me", reason="r")
    results = run(context).results
    assert (results["state"], results["candidate"], results["champion"]) == ("STALE", "3", "2")
    assert "points at version 2" in results["words"][-1]
    assert registry.champion(LOOP).version == "2"
    assert registry.version(LOOP, "3").tags[DECISION] == "STALE"


def test_a_round_from_an_older_version_cannot_replace_a_champion_it_was_not_compared_with(store, registry, seed):
    run(stage(store, seed, BETTER))
    again = run(stage(store, seed, BETTER, number=2, candidate="another")).results
    assert (again["state"], registry.champion(LOOP).version) == ("STALE", "2")


def test_a_control_arm_leaves_nothing_but_its_artifact(store, registry, seed):
    results = run(stage(store, seed, BETTER, control="no-verifier")).results
    assert (results["state"], results["control"], results["candidate"]) == ("REFUSED", "no-verifier", None)
    assert (results["decision"]["promote"], results["decision"]["look"]) == (True, 1)
    assert [v.version for v in registry.versions(LOOP)] == ["1"]
    assert (looks(store), len(history(store, LOOP))) == (0, 1)


def test_looks_are_counted_over_rounds_and_loops_and_each_question_is_asked_once(store, registry, seed):
    first = run(stage(store, seed, WORSE, number=1, candidate="one")).results
    second = run(stage(store, seed, WORSE, number=2, candidate="two")).results
    other_loop = run(stage(store, crown(registry, store, "other"), WORSE, candidate="three")).results
    assert [r["decision"]["look"] for r in (first, second, other_loop)] == [1, 2, 3]
    lucky = run(stage(store, seed, BETTER, number=3, candidate="one")).results
    assert (lucky["decision"], looks(store)) == (first["decision"], 3)
    other_policy = Recipe(name="tests", promote=PromoteConfig(min_gain=0.01))
    assert (
        run(stage(store, seed, BETTER, number=4, candidate="one", recipe=other_policy)).results["decision"]["look"] == 4
    )


def test_measured_again_in_another_way_a_candidate_is_judged_again(store, registry, seed):
    first = run(stage(store, seed, WORSE, number=1, candidate="one")).results["decision"]
    longer = Recipe(name="tests", evaluate=EvaluateConfig(max_new_tokens=77))
    again = run(stage(store, seed, BETTER, number=2, candidate="one", recipe=longer)).results["decision"]
    assert (first["wins"], again["wins"], again["look"], again["seen"]) == (20, 60, 2, 1)


def test_rows_that_cannot_be_judged_cost_no_look(store, registry, seed):
    with pytest.raises(RegistryError, match="answered by the candidate only"):
        run(stage(store, seed, [*BETTER, outcome(9000, "candidate", True)]))
    assert looks(store) == 0


def test_a_holdout_that_was_answered_in_part_costs_no_look(store, registry, seed):
    context = stage(store, seed, BETTER)
    whole = prompt_set(store, 500)
    context.round = context.round.model_copy(update={"prompts": whole})
    with pytest.raises(RegistryError, match="the evaluation has 380 items, the holdout 500"):
        run(context)
    assert looks(store) == 0


def test_the_second_round_on_one_holdout_says_what_it_pays_for(store, registry, seed):
    run(stage(store, seed, WORSE, number=1, candidate="one"))
    told = run(stage(store, seed, WORSE, number=2, candidate="two")).results["decision"]
    assert (told["look"], told["seen"]) == (2, 1)
    assert told["alpha_spent"] == pytest.approx(0.05 * 6 / (9.8696 * 4) / 2, rel=1e-4)
    folds = Recipe(name="tests", promote=PromoteConfig(holdout=HoldoutConfig(folds=2), min_items=100))
    third = run(stage(store, seed, BETTER, number=3, candidate="three", recipe=folds)).results["decision"]
    assert third["n_items"] < 250


def test_a_set_imported_again_with_one_item_more_does_not_forget_the_looks_at_it(store, registry, seed):
    first = run(stage(store, seed, WORSE, number=1, candidate="one")).results["decision"]
    context = stage(store, crown(registry, store, "other"), [*WORSE, *both(9000, True, False)], candidate="two")
    context.round = context.round.model_copy(update={"family": "imported again"})
    again = run(context).results["decision"]
    assert (again["look"], again["seen"], again["wealth"]) == (2, 1, 1 - first["lost"])


def test_a_fold_without_the_primarys_items_is_decided_and_the_next_one_goes_on(store, registry, seed):
    policy = PromoteConfig(holdout=HoldoutConfig(folds=2), primary=PrimaryConfig(skill="rare"), min_items=100)
    rows = [*WORSE, *both(9000, True, False, skill="rare")]
    found = [
        run(stage(store, seed, rows, number=n, candidate=f"c{n}", recipe=Recipe(name="tests", promote=policy))).results
        for n in (1, 2)
    ]
    assert [one["decision"]["reason"] for one in found] == ["too-few-items"] * 2
    assert sorted(one["decision"]["n_items"] for one in found) == [0, 1]
    assert looks(store) == 2


def test_a_registry_that_is_down_costs_no_look_and_the_stage_completes_later(store, registry, seed, monkeypatch):
    for key, value in {"MAX_RETRIES": "0", "BACKOFF_FACTOR": "0", "TIMEOUT": "2"}.items():
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_{key}", value)
    with pytest.raises(RegistryUnavailable, match="`ratchet promote` completes the round later"):
        run(stage(store, seed, BETTER, registry="http://127.0.0.1:9"))
    assert looks(store) == 0
    assert run(stage(store, seed, BETTER)).results["state"] == "PROMOTED"


def test_a_run_that_lost_the_loop_changes_nothing(store, registry, seed):
    held = leases.acquire(store.sub(f"loops/{LOOP}"), "job-1", 60)
    context = stage(store, seed, BETTER)
    context.lease = held
    held.release()
    leases.acquire(store.sub(f"loops/{LOOP}"), "job-2", 60)
    with pytest.raises(LeaseLost):
        run(context)
    assert [v.version for v in registry.versions(LOOP)] == ["1"]
    assert (registry.champion(LOOP).version, looks(store)) == ("1", 0)


class Killed(BaseException):
    """Not an Exception: nothing may catch it."""


class Doomed:
    """A store whose process dies at its n-th write, just before or just after it."""

    def __init__(self, store: Store, writes: int, after: bool) -> None:
        self._store, self._left, self._after = store, writes, after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name not in ("put", "put_if", "put_file", "delete"):
            return found

        def write(*arguments: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise Killed
            done = found(*arguments, **named)
            if self._left == 0:
                raise Killed
            return done

        return write


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("rows", [BETTER, WORSE], ids=["better", "worse"])
def test_killed_at_any_write_and_run_again_it_ends_as_if_never_killed(tmp_path, rows, after):
    def fresh(name: str):
        store = open_store(str(tmp_path / name))
        return store, stage(store, crown(StoreRegistry(store), store, LOOP), rows)

    store, context = fresh("whole")
    expected = run(context)
    for writes in range(1, 100):
        store, context = fresh(f"killed-{writes}")
        context.store = Doomed(store, writes, after)
        try:
            run(context)
            break
        except Killed:
            context.store = store
        again = run(context)
        assert again.results == expected.results
        assert [v.version for v in StoreRegistry(store).versions(LOOP)] == ["1", "2"]
        assert looks(store) == 1
        assert len(history(store, LOOP)) == (2 if rows is BETTER else 1)
        assert all(m.done is not None for m in history(store, LOOP))
        assert StoreRegistry(store).champion(LOOP).version == ("2" if rows is BETTER else "1")
        tags = StoreRegistry(store).version(LOOP, "2").tags
        assert tags[DECISION] == again.results["state"]
        assert run(context) == again
    assert writes > (9 if rows is BETTER else 6)


@pytest.mark.slow
def test_on_mlflow_the_version_carries_its_lineage_and_a_killed_promotion_is_completed(store, mlflow_uri, monkeypatch):
    registry, loop = MlflowRegistry(mlflow_uri), f"stage-{uuid.uuid4().hex[:8]}"
    seed = crown(registry, store, loop)
    real = MlflowRegistry.set_champion
    with monkeypatch.context() as patched:

        def killed(*arguments: Any, **named: Any) -> bool:
            raise Killed

        patched.setattr(MlflowRegistry, "set_champion", killed)
        with pytest.raises(Killed):
            run(stage(store, seed, BETTER, registry=mlflow_uri))
    assert MlflowRegistry.set_champion is real
    assert registry.champion(loop).version == "1"
    results = run(stage(store, seed, BETTER, registry=mlflow_uri)).results
    assert (results["state"], results["promotion"], results["decision"]["look"]) == ("PROMOTED", 2, 1)
    champion = registry.champion(loop)
    assert (champion.version, champion.tags[DIGEST]) == ("2", model("candidate", loop).digest)
    assert champion.tags["ratchet.holdout_digest"]
    assert len(registry.versions(loop)) == 2
