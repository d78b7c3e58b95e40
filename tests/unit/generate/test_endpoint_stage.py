"""The whole generate stage against a server that misbehaves: below the stated share it goes on, above it stops."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ratchet import models
from ratchet.artifacts import GROUPS, Artifact, ModelRef
from ratchet.errors import SamplingError
from ratchet.stage import StageContext, context_of, run_step
from ratchet.store import FolderStore, Store
from tests import tiny
from tests.endpoints import MODEL, FaultyEndpoint, serving

ROWS = 9


@pytest.fixture
def endpoint() -> Iterator[FaultyEndpoint]:
    with serving(FaultyEndpoint()) as server:
        yield server


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(str(tmp_path / "store"))


def context(store: Store, endpoint: FaultyEndpoint, **config: Any) -> StageContext:
    """A generate stage of 27 prompts in files of 9, one request at a time, so that faults fall where they are planned."""
    engine = {"kind": "endpoint", "url": endpoint.url, "concurrency": 1, "retries": 0} | config.pop("engine", {})
    generate = {"k": 2, "max_new_tokens": 4, "rows_per_file": ROWS, "engine": engine, **config}
    prompts = tiny.prompt_set(store, pool=30, holdout=9, report=9)
    # The endpoint needs no model here: the round's seed is never fetched.
    seed = ModelRef(name="gone", uri=store.uri("models/gone/x"), digest="0" * 64)
    opened = tiny.opened_round(store, seed, prompts, {"prompts": {"pool": 27}, "generate": generate})
    return context_of("generate", store, opened, {})


def test_a_stage_on_an_endpoint_never_fetches_the_seed_and_names_the_teacher(store, endpoint, monkeypatch):
    monkeypatch.setattr(models, "fetch", lambda *_: pytest.fail("the server has its model already"))
    manifest = run_step(context(store, endpoint))
    assert (manifest.rows, manifest.counts["completions"], manifest.counts["errors"]) == (27, 54, 0)
    assert manifest.results["models"] == {MODEL: 54}
    assert {"load", "sample", "write"} <= set(manifest.seconds)


def test_below_the_stated_share_the_round_goes_on_and_the_manifest_counts_the_reasons(store, endpoint):
    endpoint.plan("", "500", "", "too_long", "", "wrong_model")
    stage = context(store, endpoint, max_error_share=0.4)
    manifest = run_step(stage)
    groups = list(Artifact(store, stage.prefix, GROUPS).rows())
    failed = [g for g in groups if g.completions[0].error]
    assert len(groups) == 27, "no row is lost"
    assert sorted((c.error or "").partition(":")[0] for g in failed for c in g.completions) == (
        ["reply"] * 2 + ["server"] * 2 + ["too_long"] * 2
    )
    assert {(c.finish_reason, c.text, c.n_tokens) for g in failed for c in g.completions} == {("error", "", 0)}
    assert manifest.counts["errors"] == 3
    assert manifest.results["reasons"] == {"reply": 2, "server": 2, "too_long": 2}


def test_above_it_the_stage_stops_and_a_rerun_keeps_what_is_finished(store, endpoint, tmp_path):
    undisturbed = run_step(context(FolderStore(str(tmp_path / "other")), endpoint))
    endpoint.plan(*[""] * (1 + ROWS), *["500"] * 3)
    with pytest.raises(SamplingError, match=r"3 of about 27 prompts got no answer.*HTTP 500.*finished files are kept"):
        run_step(context(store, endpoint))
    asked = len(endpoint.seen)
    resumed = run_step(context(store, endpoint))
    assert len(endpoint.seen) - asked == 1 + 27 - ROWS, "the first file was not asked again"
    assert resumed.content_digest == undisturbed.content_digest
    assert [s.sha256 for s in resumed.shards] == [s.sha256 for s in undisturbed.shards]


def test_a_broken_server_stops_the_stage_by_its_circuit_breaker(store, endpoint):
    endpoint.plan("")
    endpoint.plan("500", always=True)
    with pytest.raises(SamplingError, match="4 requests in a row failed"):
        run_step(context(store, endpoint, max_error_share=1.0, engine={"break_after": 4}))


def test_progress_counts_completions_as_they_arrive(store, endpoint):
    stage = context(store, endpoint)
    seen: list[int] = []
    stage.progress = lambda done, total, unit, note="": seen.append(done)
    run_step(stage)
    assert seen[:3] == [2, 4, 6]
    assert seen[-1] == 54


def test_no_manifest_or_row_holds_the_key(store, endpoint, monkeypatch, tmp_path):
    secret = "sk-very-secret-0123456789"
    monkeypatch.setenv("RATCHET_ENDPOINT_KEY", secret)
    endpoint.key = secret
    endpoint.plan("", "echo_key")
    stage = context(store, endpoint, max_error_share=0.5)
    manifest = run_step(stage)
    rows = [g.model_dump_json() for g in Artifact(store, stage.prefix, GROUPS).rows()]
    assert any("crashed on Bearer ***" in row for row in rows)
    assert not [text for text in [*rows, manifest.model_dump_json()] if secret in text]
    written = [p for p in (tmp_path / "store").rglob("*") if p.is_file()]
    assert len(written) > 5
    assert not [p for p in written if secret.encode() in p.read_bytes()]
