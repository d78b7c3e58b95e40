"""Where a version comes from, as the registry's own pages tell it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratchet import alarms
from ratchet.artifacts import read_manifest
from ratchet.provenance import code_revision, image_digest
from ratchet.registry.base import ROUND, Lineage
from ratchet.registry.measured import holdout_of
from ratchet.stage import StageContext
from ratchet.train.inputs import trained_from


def lineage_of(context: StageContext) -> Lineage:
    """Where a version comes from, so that the registry alone tells it."""
    opened, train, evaluate = context.round, context.parents["train"], context.parents["evaluate"]
    prompts, holdout = context.prompt_set(), holdout_of(context).content_digest
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
