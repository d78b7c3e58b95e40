"""Real rounds whose verifiers are audited: stopped before anything is trained, and gone on with by a recipe that asks less."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ratchet import canonical, loop, rounds
from ratchet.begin import BeginOptions
from ratchet.errors import AuditFailed
from ratchet.settings import Settings
from ratchet.store import open_store
from ratchet.verify.audit import AuditResult
from tests.micro import environment, settings_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
NAME = "audited"
AUDITED = """
name: audited
seed: 7
prompts: {pool: 27, validation: 18, holdout: 45, report: 18}
generate: {k: 4, max_new_tokens: 12, rows_per_file: 9, batch_size: 64}
verify: {verifiers: {name: majority, floor: 0.3}, audit: {prompts: 18, k: 4, min_precision: {majority: LEAST}}}
train: {max_steps: 3, batch_size: 8}
evaluate: {max_new_tokens: 12, pass_at_k: null}
promote: {min_items: 9}
"""


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    found = settings_in(tmp_path)
    loop.init_loop(found, NAME, "tinyworld")
    with environment(OMP_NUM_THREADS="1", RATCHET_CACHE=str(tmp_path / "cache")):
        yield found


def test_a_verifier_that_is_too_imprecise_stops_the_round_before_it_trains_and_the_audit_can_be_read(
    settings: Settings,
) -> None:
    store = open_store(settings.root)
    with pytest.raises(AuditFailed, match=r"precision of verifier majority is 0\.\d+ .* the estimate must reach 1 "):
        loop.run_in_process(settings, BeginOptions(loop=NAME, recipe=AUDITED.replace("LEAST", "1.0")))
    end = rounds.read_end(store, NAME, 1)
    assert end is not None
    assert end.state == "STOPPED"
    assert "precision of verifier majority is 0." in end.reason
    assert "audit.json" in end.reason
    assert set(rounds.manifests(store, NAME, 1)) == {"generate"}
    (kept,) = [stat for stat in store.list(f"{rounds.round_prefix(NAME, 1)}/") if stat.uri.endswith("audit.json")]
    found = AuditResult.model_validate(canonical.loads(store.get(store.key(kept.uri)))).of("majority")
    assert found is not None
    assert 0 < (found.precision.share or 0) < 1
    again = loop.run_in_process(settings, BeginOptions(loop=NAME, recipe=AUDITED.replace("LEAST", "0.1")))
    assert again.state in ("PROMOTED", "REFUSED")
    assert "audit" in rounds.manifests(store, NAME, 2)["verify"].results
