"""What alarms read from a round's manifests, in the shapes that the stages leave."""

from __future__ import annotations

from typing import Any

from ratchet.alarms.seen import Measured, Seen, seen_in
from ratchet.artifacts import Manifest
from ratchet.evaluate import metrics
from ratchet.recipe import Recipe
from ratchet.recipe.audit import COMBINED
from ratchet.verify.audit import Audited, AuditResult
from ratchet.verify.audit.result import Share
from ratchet.verify.vitals import Vitals
from tests.unit.registry.rows import outcomes

RECIPE = Recipe.model_validate(
    {"name": "a", "verify": {"verifiers": ["prompt", {"name": "conditioning", "label": "looks"}]}}
)


def manifest(stage: str, **results: Any) -> Manifest:
    return Manifest(
        schema_name=stage, schema_version=1, stage=stage, key="k", rows=0, code_revision="test", content_digest="0",
        uri="file:///nowhere", results=results,
    )  # fmt: skip


def audit(share: float | None, verifier: str = COMBINED) -> dict[str, Any]:
    one = Audited(verifier=verifier, version="1", family="policy", precision=Share(n=300, clusters=100, share=share))
    return AuditResult(
        truth="prompt", prompts=100, answers=400, k=4, temperature=1.0, verifiers=(one,)
    ).without_seconds()  # fmt: skip


def test_a_round_that_left_nothing_is_seen_as_nothing() -> None:
    assert seen_in(3, RECIPE, {}) == Seen(3)
    assert seen_in(3, RECIPE, {"verify": manifest("verify")}) == Seen(3)


def test_the_audit_of_what_all_verifiers_pass_together_is_the_precision() -> None:
    assert seen_in(1, RECIPE, {"verify": manifest("verify", audit=audit(0.7))}).precision == Measured(0.7, 300)
    for silent in (audit(None), audit(0.7, "looks")):
        assert seen_in(1, RECIPE, {"verify": manifest("verify", audit=silent)}).precision is None


def test_conditioning_is_the_mean_score_of_the_verifiers_of_that_kind_by_their_labels() -> None:
    vitals = Vitals(prompts=1, answers=1, scores={"looks": 0.4, "exact": 1.0}).model_dump()
    found = seen_in(1, RECIPE, {"verify": manifest("verify", vitals=vitals)})
    assert (found.conditioning, found.vitals) == (0.4, Vitals.model_validate(vitals))
    assert seen_in(1, Recipe(name="a"), {"verify": manifest("verify", vitals=vitals)}).conditioning is None


def test_accuracies_are_read_as_evaluate_writes_them_and_kept_rows_as_filter_does() -> None:
    measured = metrics.summary(outcomes(wins=60, losses=20))
    kept = {"count": {"rows": 10, "kept": 4, "too_hard": 6}}
    done = {"evaluate": manifest("evaluate", **measured), "filter": manifest("filter", skills=kept)}
    found = seen_in(1, RECIPE, done)
    assert found.champion[""] == found.champion["count"] == Measured(round(220 / 380, 6), 380)
    assert found.candidate["count"] == Measured(round(260 / 380, 6), 380)
    assert found.kept == {"count": (4, 10)}
