"""promote: register the candidate, look once at the holdout's outcomes, decide, and move the alias if the gate says so.

Killed at any point and run again, it finds what it did: the version by its digest and round, the look and its decision by
their key, the move of the alias by the stage's key. An alarm that says stop keeps the alias where it is, whatever the gate
decides, and the round is STOPPED. A control arm is judged like a round and leaves no trace but this
artifact: no version, no look, no alias.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratchet import alarms
from ratchet.artifacts import Manifest, ModelRef, read_manifest
from ratchet.errors import ArtifactError, RegistryError
from ratchet.evaluate.outcomes import OUTCOMES, Outcome
from ratchet.provenance import code_revision, image_digest
from ratchet.recipe import PromoteConfig
from ratchet.registry.base import DECISION, REASON, ROUND, Lineage, ModelVersion, Registry, open_registry
from ratchet.registry.curves import train_curves
from ratchet.registry.evidence import side_by_side
from ratchet.registry.gate import DECISIONS, GateDecision, decide
from ratchet.registry.looks import Looks, look_key
from ratchet.registry.promotion import Move, promote
from ratchet.rounds import State
from ratchet.settings import Settings
from ratchet.stage import StageContext
from ratchet.train.inputs import trained_from


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
            look = Looks(context.store, context.round.family).next_number()
            decision = decide(_outcomes(context), _policy(context), look)
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
        version = registry.register(context.round.loop, model.uri, model.digest, _lineage(context))
        if DECISION not in version.tags:
            registry.log_curves(version.name, version.version, train_curves(context.store, context.parents["train"]))
    raised = alarms.watch(context)
    stopped = alarms.stopping(raised)
    with context.clock("decide"):
        decision = _look(context, model)
    with context.clock("registry"):
        promotes = decision.promote and stopped is None
        move = _promote(context, registry, version, decision) if promotes else None
        state: State = "STOPPED" if stopped is not None else _state(move)
        _record(registry, version, decision, state)
    results = _results(context, decision, state, model.model_copy(update={"version": version.version}), move)
    results["alarms"] = [one.model_dump(mode="json") for one in raised]
    if stopped is not None:
        results["words"] = [*results["words"], f"Not promoted: {stopped}"]
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
    looks = Looks(context.store, context.round.family)
    key = look_key(model.digest, context.round.seed.digest, _holdout_digest(context), _policy(context))
    known = looks.decided(key)
    if known is not None:
        return known
    outcomes = _outcomes(context)
    # Rows that cannot be judged are refused here, before they cost error.
    side_by_side(outcomes)
    context.check_lease()
    number = looks.take(key, {"loop": context.round.loop, "round": context.round.number, "candidate": model.digest})
    return looks.keep(key, decide(outcomes, _policy(context), number))


def _outcomes(context: StageContext) -> list[Outcome]:
    return list(context.open("evaluate", OUTCOMES).rows())


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


def _lineage(context: StageContext) -> Lineage:
    """Where a version comes from, so that the registry alone tells it."""
    opened, train, evaluate = context.round, context.parents["train"], context.parents["evaluate"]
    prompts, holdout = context.prompt_set(), _holdout_digest(context)
    data = {f"{name}_digest": parent.content_digest for name, parent in train.parents.items()}
    tags = {
        ROUND: str(opened.number),
        "ratchet.loop": opened.loop,
        "ratchet.job": opened.job,
        "ratchet.parent_model": opened.seed.name,
        "ratchet.parent_version": opened.seed.version,
        "ratchet.parent_digest": opened.seed.digest,
        "ratchet.trained_from": trained_from(opened).digest,
        "ratchet.recipe": opened.recipe.name,
        "ratchet.recipe_digest": opened.recipe.digest,
        "ratchet.prompts_digest": opened.prompts,
        "ratchet.holdout_digest": holdout,
        **{f"ratchet.{name}": digest for name, digest in data.items()},
        "ratchet.code_revision": code_revision(),
        "ratchet.image_digest": image_digest(),
        "ratchet.train_uri": train.uri,
        "ratchet.gate_report": context.store.uri(context.prefix),
    }
    datasets = [(name, parent.uri, parent.content_digest) for name, parent in sorted(train.parents.items())]
    return Lineage(
        tags={name: value for name, value in tags.items() if value is not None},
        params={name: str(value) for name, value in _leaves(opened.recipe.model_dump(mode="json")).items()},
        metrics={
            f"{stage}/{name}": float(value)
            for stage, results in {"evaluate": evaluate.results, **_organised(context)}.items()
            for name, value in _leaves(results).items()
            if _is_number(value)
        }
        | _vitals(context),
        datasets=(*datasets, ("holdout", prompts.parts["holdout"], holdout)),
    )


def _vitals(context: StageContext) -> dict[str, float]:
    """What the round's answers said of its seed's health: `vitals/agreement` and so on."""
    return {f"vitals/{name}": float(v) for name, v in _leaves(alarms.vitals_of(context)).items() if _is_number(v)}


def _organised(context: StageContext) -> dict[str, Mapping[str, Any]]:
    """What filter and verify counted on the way to the candidate: drops by reason, by skill and by difficulty band."""
    found: dict[str, Mapping[str, Any]] = {}
    child = context.parents["train"]
    for stage in ("filter", "verify"):
        parent = child.parents.get(stage)
        if parent is None:
            break
        child = read_manifest(context.store, context.store.key(parent.uri))
        found[stage] = child.counts | child.results
    return found


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping as a/b/c names; lists stay values."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            found.update(_leaves(value, f"{prefix}{name}/"))
        else:
            found[f"{prefix}{name}"] = value
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _holdout_digest(context: StageContext) -> str:
    uri = context.prompt_set().parts.get("holdout")
    if uri is None:
        raise RegistryError(
            f"prompt set {context.round.prompts[:12]} has no holdout, so nothing can be proved; import one with a holdout."
        )
    return read_manifest(context.store, context.store.key(uri)).content_digest


def _policy(context: StageContext) -> PromoteConfig:
    policy: PromoteConfig = context.config
    return policy
