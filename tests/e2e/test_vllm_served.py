"""vLLM's own server over the shipped seed, started once: as the engine that samples, and as a judge."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet.artifacts import ImageBank
from ratchet.generate import SamplingParams
from ratchet.generate.engine import Answer, Request
from ratchet.generate.engines.endpoint import EndpointEngine
from ratchet.generate.engines.local import TransformersEngine
from ratchet.recipe import EndpointConfig
from ratchet.services.vllm_server import Served
from tests.e2e.test_judges_rounds import SMALL, Small, cache, verdicts
from tests.vllm_servers import GREEDY, check_agreement, check_gone_on, needs_vllm

__all__ = ["cache"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), needs_vllm]
SAMPLED = SamplingParams(k=8, max_new_tokens=32, seed=3)


def test_the_endpoint_engine_gives_the_same_records(
    vllm_server: Served, local: TransformersEngine, seed_world: tuple[list[Request], ImageBank], expected: list[Answer]
) -> None:
    config = EndpointConfig(url=vllm_server.url, model=vllm_server.model, serves="seed")
    engine = EndpointEngine(config, seed_world[1], "seed")
    check_agreement(seed_world[0], [a for (a,) in engine.answer(seed_world[0], GREEDY)], expected, "endpoint")
    check_gone_on(engine, seed_world[0], expected, local)
    few = seed_world[0][:60]
    drawn_once = engine.answer(few, SAMPLED)
    assert [[a.text for a in row] for row in engine.answer(few, SAMPLED)] == [[a.text for a in r] for r in drawn_once]
    assert all(a.finish_reason in ("stop", "length") for row in drawn_once for a in row)


def test_the_seed_behind_vllm_judges_as_it_does_in_the_stage(tmp_path: Path, vllm_server: Served) -> None:
    engine = {"kind": "endpoint", "url": vllm_server.url, "model": vllm_server.model, "serves": "seed"}
    served = {"served": {"engine": engine, "max_new_tokens": 4}, "seed": {"max_new_tokens": 4, "batch_size": 64}}
    claims = {"name": "claims", "splitter": "list", "template": "is there a {claim} ?"}
    small = Small(
        tmp_path, "rlaif-v", verifiers=[claims, claims | {"label": "served", "judge": "served"}], judges=served
    )
    small.run("generate")
    manifest = small.run("verify")
    groups = small.groups(manifest)
    here, there = verdicts(groups, "claims"), verdicts(groups, "served")
    same = sum((a.score, a.reason, a.tokens) == (b.score, b.reason, b.tokens) for a, b in zip(here, there, strict=True))
    assert same >= 0.99 * len(here)
    assert len(here) == SMALL["pool"] * 8
    spent = manifest.results["spent"]
    assert spent["seed"]["calls"] == spent["served"]["calls"] > 0
    assert spent["seed"]["tokens_in"] == spent["served"]["tokens_in"]
