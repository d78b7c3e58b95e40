"""RATCHET_WORKERS: what is made does not depend on how many processes made it."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from ratchet.errors import RatchetError
from ratchet.recipe import VerifyConfig
from ratchet.recipe.verifiers import FAMILIES
from ratchet.verify import stage
from ratchet.verify.workers import VARIABLE, workers
from tests.unit.verify import staging
from tests.unit.verify.test_stage import groups


def test_one_process_unless_the_variable_says_more() -> None:
    assert workers({}) == 1
    assert workers({VARIABLE: "3"}) == 3


@pytest.mark.parametrize("given", ["0", "-1", "two", "1.5", ""])
def test_what_is_no_number_of_processes_is_refused(given: str) -> None:
    with pytest.raises(RatchetError, match=f"{VARIABLE} is '{given}'; it must be a whole number"):
        workers({VARIABLE: given})


def test_two_workers_make_what_one_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for count in ("1", "2"):
        monkeypatch.setenv(VARIABLE, count)
        store = staging.store_at(tmp_path / count)
        context = staging.context(
            store, staging.round_at(store), "verify", generate=staging.parent(store, "generate", groups(11))
        )
        seen: list[tuple[int, int]] = []
        context.progress = lambda done, total, *_, seen=seen: seen.append((done, total))
        manifest = stage.run(context)
        made.append((manifest.content_digest, manifest.counts, manifest.results, [s.sha256 for s in manifest.shards]))
        assert (seen[-1], len(seen)) == ((11, 11), 3)
        assert set(manifest.seconds) == {"read", "verify", "write"}
    assert made[0] == made[1]


def test_panels_that_ask_models_stay_in_one_process_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(VARIABLE, "2")
    asks = VerifyConfig.model_validate({"verifiers": ["rubric"]})
    assert asks.asks_models
    assert not VerifyConfig.model_validate({"verifiers": ["prompt", "exact", "navigate"]}).asks_models
    assert not VerifyConfig().asks_models
    store = staging.store_at(tmp_path)
    context = staging.context(
        store, staging.round_at(store), "verify", generate=staging.parent(store, "generate", groups(11))
    )
    monkeypatch.setattr(type(context.config), "asks_models", True)
    monkeypatch.setattr(stage, "in_processes", None)
    assert stage.run(context).rows == 11
    assert "verify works in one process" in caplog.text


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_whoever_asks_a_model_is_known_to(family: str) -> None:
    """Exactly the verifiers whose configuration names a judge or a model, and all of those that say a model decides."""
    for model in get_args(FAMILIES[family]):
        (name, *_) = get_args(model.model_fields["name"].annotation)
        with_model = {"judge", "model"} & model.model_fields.keys()
        assert (model.evidence != "model") or with_model, name
        needed = {"most": 12} if name == "length" else {"schema": {}} if name == "json_schema" else {}
        try:
            config = VerifyConfig.model_validate({"verifiers": [{"name": name, **needed}]})
        except ValidationError:
            continue  # needs options that say nothing about models
        assert config.asks_models == bool(with_model), name
