"""promote: register the candidate, look once at the holdout's outcomes, decide, and move the alias if the gate says so.

Killed at any point and run again, it finds what it did: the version by its digest and round, the look and its decision by
their key, the move of the alias by the stage's key. An alarm that says stop keeps the alias where it is, whatever the gate
decides, and the round is STOPPED. Where the recipe leaves the last word to a person, a promotion waits and the round is
PENDING. A control arm is judged like a round and leaves no trace but this
artifact: no version, no look, no alias.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratchet import alarms
from ratchet.artifacts import Manifest, ModelRef
from ratchet.errors import ArtifactError
from ratchet.evaluate.outcomes import OUTCOMES
from ratchet.recipe import PromoteConfig
from ratchet.registry import tracking
from ratchet.registry.approval import waiting_words
from ratchet.registry.base import DECISION, REASON, ModelVersion, Registry, open_registry
from ratchet.registry.curves import train_curves
from ratchet.registry.evidence import Evidence, in_fold, side_by_side
from ratchet.registry.gate import DECISIONS, GateDecision, judge
from ratchet.registry.lineage import lineage_of
from ratchet.registry.looks import Looks, look_key
from ratchet.registry.measured import check_whole, holdout_of, suite_digest
from ratchet.registry.promotion import Move, promote
from ratchet.rounds import State
from ratchet.settings import Settings
from ratchet.stage import StageContext


def run(context: StageContext) -> Manifest:
    """Judge the round's candidate.

    Raises RegistryUnavailable when the registry does not answer: nothing is lost, the stage can run again. Raises
    RegistryError where the outcomes are not of the same items, LeaseLost when another run has taken the loop over.
    """
    writer = context.writer(DECISIONS)
    finished = writer.existing()
    if finished is not None:
        return finished
    model = _candidate(context)
    if context.round.control is not None:
        with context.clock("decide"):
            decision = _as_if(context)
        results = _results(context, decision, "REFUSED", model, None)
    else:
        results, decision = _judge(context, model)
    context.check_lease()
    writer.write(0, [decision])
    counts = {"promoted": int(results["state"] == "PROMOTED"), "items": decision.n_items, "unscored": decision.unscored}
    return writer.commit(counts=counts, results=results, seconds=context.seconds)


def _judge(context: StageContext, model: ModelRef) -> tuple[dict[str, Any], GateDecision]:
    """Register, look, decide, promote: each step is found done when it is repeated."""
    registry = open_registry(context.settings or Settings.from_environment(), context.store)
    with context.clock("registry"):
        context.check_lease()
        run = tracking.run_of(context.store, registry, context.round.loop, context.round.number)
        lineage = lineage_of(context).model_copy(update={"run": run})
        version = registry.register(context.round.loop, model.uri, model.digest, lineage)
        if DECISION not in version.tags:
            registry.log_curves(version.name, version.version, train_curves(context.store, context.parents["train"]))
    raised = alarms.watch(context)
    stopped = alarms.stopping(raised)
    with context.clock("decide"):
        decision = _look(context, model)
    with context.clock("registry"):
        wins = decision.promote and stopped is None
        waits = wins and _policy(context).decision == "human"
        move = _promote(context, registry, version, decision) if wins and not waits else None
        state: State = "STOPPED" if stopped is not None else "PENDING" if waits else _state(move)
        _record(registry, version, decision, state)
    results = _results(context, decision, state, model.model_copy(update={"version": version.version}), move)
    results["alarms"] = [one.model_dump(mode="json") for one in raised]
    if stopped is not None:
        results["words"] = [*results["words"], f"Not promoted: {stopped}"]
    if waits:
        results["words"] = [*results["words"], waiting_words(context.round.loop, context.round.number)]
    return results, decision


def _state(move: Move | None) -> State:
    return "REFUSED" if move is None else "PROMOTED" if move.moved else "STALE"


def _candidate(context: StageContext) -> ModelRef:
    made = context.parents["train"].results.get("model")
    if made is None:
        raise ArtifactError(
            f"{context.parents['train'].uri} names no model in results.model; run the train stage again."
        )
    return ModelRef.model_validate({**made, "name": context.round.loop, "version": None})


def _look(context: StageContext, model: ModelRef) -> GateDecision:
    """The decision on this candidate: the stored one, or a new one after its look is on the ledger."""
    looks, policy, facts = _looks(context), _policy(context), _facts(context)
    key = look_key(
        model.digest, context.round.seed.digest, facts["holdout"], policy, context.round.recipe.evaluate.asking
    )
    known = looks.decided(key)
    if known is not None:
        return known
    evidence = _evidence(context)
    # What cannot be judged is refused here, before it costs error.
    check_whole(evidence, policy, holdout_of(context))
    context.check_lease()
    told = {"round": context.round.number, "candidate": model.digest, **facts}
    number = looks.take(key, told, evidence.marks(policy))
    return looks.keep(key, _decided(looks, policy, facts, number, evidence))


def _as_if(context: StageContext) -> GateDecision:
    """What the next look would decide; it is not taken, and nothing is spent."""
    looks = _looks(context)
    evidence = _evidence(context)
    check_whole(evidence, _policy(context), holdout_of(context))
    return _decided(looks, _policy(context), _facts(context), looks.next_number(), evidence)


def _decided(
    looks: Looks, policy: PromoteConfig, facts: Mapping[str, Any], number: int, evidence: Evidence
) -> GateDecision:
    shown = in_fold(evidence, policy.holdout.folds, number)
    return judge(shown, policy, looks.standing(number, policy, facts, evidence.marks(policy)))


def _looks(context: StageContext) -> Looks:
    """Looks at a suite are numbered over all loops that ask it, whatever holdout they have."""
    suite = _policy(context).primary.suite
    return Looks(context.store, context.round.family if suite is None else f"suite-{suite}")


def _facts(context: StageContext) -> dict[str, Any]:
    """What a look's entry says of its loop and of the items that it sees."""
    return {"loop": context.round.loop, "holdout": _seen_digest(context), "folds": _policy(context).holdout.folds}


def _seen_digest(context: StageContext) -> str:
    """Digest of the items that the primary is measured on."""
    suite = _policy(context).primary.suite
    return (
        holdout_of(context).content_digest
        if suite is None
        else suite_digest(context.parents["evaluate"].results, suite)
    )


def _evidence(context: StageContext) -> Evidence:
    return side_by_side(context.open("evaluate", OUTCOMES).rows())


def _promote(context: StageContext, registry: Registry, version: ModelVersion, decision: GateDecision) -> Move:
    seed = context.round.seed
    return promote(
        registry,
        context.store,
        context.round.loop,
        version.version,
        # The gate compared with the seed: only where that still is the champion does the result hold.
        expected=seed.version if seed.name == context.round.loop else None,
        key=context.key,
        by=context.round.job,
        reason=" ".join(decision.sentences[:2]),
        round=context.round.number,
        check=context.check_lease,
    )


def _record(registry: Registry, version: ModelVersion, decision: GateDecision, state: State) -> None:
    """Show the decision in the registry's own pages."""
    gate = {
        "gate/delta": decision.delta.delta,
        "gate/delta_low": decision.delta.low,
        "gate/delta_high": decision.delta.high,
        "gate/p_value": decision.p_value,
        "gate/alpha_spent": decision.alpha_spent,
        "gate/look": float(decision.look),
    }
    if version.tags.get(DECISION) != state:
        registry.log_metrics(version.name, version.version, gate)
        registry.set_tags(version.name, version.version, {DECISION: state, REASON: decision.reason})


def _results(
    context: StageContext, decision: GateDecision, state: State, model: ModelRef, move: Move | None
) -> dict[str, Any]:
    """What the round's end, the report and the command line read. No clocks: the same for every run of the stage."""
    seed = context.round.seed.version
    note = move.done.note if move is not None and move.done is not None else ""
    return {
        "state": state,
        "decision": decision.model_dump(mode="json"),
        "words": [*decision.sentences, *([f"Not promoted: {note}."] if state == "STALE" else [])],
        "candidate": model.version,
        "model": model.model_dump(mode="json"),
        "champion": move.done.champion if move is not None and move.done is not None else seed,
        "promotion": move.number if move is not None else None,
        "control": context.round.control,
    }


def _policy(context: StageContext) -> PromoteConfig:
    policy: PromoteConfig = context.config
    return policy
