"""Shipped recipes that measure or vote, on the tiny world: their stages from generate to filter, as shipped but small."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ratchet.records import Verdict
from ratchet.tinyworld import scorer
from tests.e2e.test_judges_rounds import Small, cache, verdicts

__all__ = ["cache"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def run(folder: Path, name: str, verifier: str, **verify: Any) -> tuple[Small, list[Verdict]]:
    small = Small(folder, name, **verify)
    small.run("generate")
    made = small.run("verify")
    found = verdicts(small.groups(made), verifier)
    assert len(found) == made.counts["completions"]
    assert all(v.error is None for v in found)
    return small, found


@pytest.mark.parametrize(
    ("name", "verifier", "good", "bad"),
    [
        ("mm-upt", "majority", "majority", "minority"),
        ("judge-free-scored", "conditioning", "above", "below"),
        ("views", "views", "stable", "unstable"),
        ("own-caption", "own_caption", "consistent", "contradicts"),
    ],
)
def test_a_shipped_recipe_verifies_without_a_label_and_the_filter_keeps_some(
    tmp_path: Path, name: str, verifier: str, good: str, bad: str
) -> None:
    small, found = run(tmp_path, name, verifier)
    reasons = Counter(v.reason for v in found)
    assert reasons[good] > 0.1 * len(found)
    assert reasons[bad] > 0
    kept = small.run("filter")
    groups = small.groups(kept)
    assert any(group.uses for group in groups)
    if name == "judge-free-scored":
        scores = {g.prompt.id: [c.verdicts[0].score for c in g.completions] for g in groups}
        pairs = [(g, pair) for g in groups for pair in g.pairs]
        assert pairs
        assert all(scores[g.prompt.id][p.chosen] >= scores[g.prompt.id][p.rejected] for g, p in pairs)


def test_csrs_scorer_is_pinned_when_the_round_begins_and_orders_the_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor = scorer.build_processor()
    scorer.save(scorer.build_model(processor, 0), processor, tmp_path / "scorer")
    monkeypatch.chdir(tmp_path)
    small, found = run(tmp_path / "loop", "csr-scorer", "small_scorer")
    assert {part.name for v in found for part in v.parts} == {"similarity", "probability"}
    assert {v.reason for v in found} <= {"above", "below", "alone"}
    small.run("filter")
    # What the recipe named is gone; the round goes on with what was pinned.
    (tmp_path / "scorer" / "model.safetensors").unlink()
    assert small.run("verify").content_digest
