"""Whether an evaluation is of the items that the gate is to judge by: the whole holdout, the same suite for both models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratchet import canonical
from ratchet.artifacts import Manifest, read_manifest
from ratchet.errors import RegistryError
from ratchet.recipe import PromoteConfig
from ratchet.registry.evidence import Evidence
from ratchet.stage import StageContext

_PINNED = ("digest", "judge")


def holdout_of(context: StageContext) -> Manifest:
    """The round's holdout. Raises RegistryError where its prompt set has none."""
    uri = context.prompt_set().parts.get("holdout")
    if uri is None:
        raise RegistryError(
            f"prompt set {context.round.prompts[:12]} has no holdout, so nothing can be proved; import one with a holdout."
        )
    return read_manifest(context.store, context.store.key(uri))


def check_whole(evidence: Evidence, policy: PromoteConfig, holdout: Manifest) -> None:
    """Raise RegistryError for evidence that is of other items than the holdout's, or lacks the policy's primary."""
    if len(evidence.holdout) != holdout.rows:
        raise RegistryError(
            f"the evaluation has {len(evidence.holdout):,} items, the holdout {holdout.rows:,}: what is missing or extra may be "
            "what decides. Delete the evaluate artifact of this round and run `ratchet resume`."
        )
    evidence.primary(policy)


def suite_digest(results: Mapping[str, Any], name: str) -> str:
    """What pins a suite's items and marks: its digest and its judge, which are one for both models in an evaluation.

    Raises RegistryError where the evaluation does not say.
    """
    found: Mapping[str, Any] = results.get("suites", {}).get(name, {})
    pinned = {key: found.get(key) for key in _PINNED}
    if pinned["digest"] is None:
        raise RegistryError(
            f"the evaluation does not say which items suite {name} had, so looks at them cannot be counted; name the suite under "
            "evaluate and run the round again."
        )
    return canonical.digest(pinned)
