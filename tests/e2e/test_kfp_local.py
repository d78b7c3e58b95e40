"""A whole round by the compiled pipeline under kfp.local on S3 and MLflow: what it hands to KFP, and what it leaves."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from ratchet import canonical, loop, rounds
from ratchet.artifacts import Manifest
from ratchet.artifacts.manifest import parse_manifest
from ratchet.kfp_io import shown_metrics
from ratchet.registry import open_registry
from ratchet.registry.base import DECISION, PROMOTED_FROM
from ratchet.report.writing import HANDED_BYTES
from ratchet.rounds import Ticket
from ratchet.settings import Settings
from ratchet.stage import STAGES, STEPS
from ratchet.store import Store, open_store
from tests.e2e.local_rounds import PROFILE, completed, quick
from tests.e2e.rounds import LEARNING, objects

__all__ = ["quick"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
TASKS = (*(stage for stage in STAGES if stage != "generate"), "generate-shard", "merge")
# What a picture looks like inside of JSON: base64 of PNG and JPEG, a data URI, or the bytes themselves.
PICTURES = (b"iVBORw0KGgo", b"/9j/4AAQ", b"data:image", b"\x89PNG", b"\\u0089PNG", b"\xff\xd8\xff")
KEEP_ROOT = """
import sys
from ratchet.pipelines.local import run_round
from ratchet.profile import Profile
run_round(Profile.load(sys.argv[1]), {"loop": sys.argv[2], "recipe": sys.argv[3]}, sys.argv[4])
"""


def shown(folder: Path) -> dict[str, dict[str, Any]]:
    """What each task handed to KFP: its executor output, by the name of its component."""
    found = {}
    for file in folder.rglob("executor_output.json"):
        stage = next(part for part in reversed(file.parts[:-1]) if part in TASKS)
        found[stage] = canonical.loads(file.read_bytes())
    return found


def test_a_round_on_s3_and_mlflow_leaves_manifests_to_kfp_and_a_champion_with_its_lineage(
    s3_root: str, mlflow_uri: str, tiny_seed: Path, tmp_path: Path
) -> None:
    name = "lineage"
    settings = Settings(root=s3_root, registry=mlflow_uri)
    loop.init_loop(settings, name, str(tiny_seed))
    command = [sys.executable, "-c", KEEP_ROOT, PROFILE, name, LEARNING, str(tmp_path / "kfp")]
    environment = {**os.environ, **settings.environment()}
    code, log = completed(command, environment, tmp_path / "log")
    assert code == 0, log[-5000:]
    store = open_store(s3_root)
    made = rounds.manifests(store, name, 1)
    check_kfp(tmp_path / "kfp", store, made)
    check_end(store, name)
    check_registry(settings, store, name, made)
    check_bucket(store, name, made)


def check_kfp(folder: Path, store: Store, made: dict[str, Manifest]) -> None:
    """All components ran; what they handed on is small JSON that names what is in the store, and two pages for people."""
    outputs = shown(folder)
    assert set(outputs) == set(TASKS)
    assert outputs["finish"]["parameterValues"]["Output"] == "PROMOTED: better"
    for stage in STEPS:
        task = "merge" if stage == "generate" else stage
        artifacts = {n: one["artifacts"][0] for n, one in outputs[task]["artifacts"].items()}
        metrics = artifacts.pop("metrics")["metadata"]
        ((_, artifact),) = artifacts.items()
        manifest = parse_manifest(Path(artifact["uri"]).read_bytes(), stage, None, None)
        assert manifest == made[stage]
        assert artifact["metadata"]["digest"] == manifest.content_digest
        assert artifact["metadata"]["store_uri"] == manifest.uri
        assert artifact["metadata"]["rows"] == manifest.rows
        for name, value in shown_metrics(manifest).items():
            assert metrics[f"{stage}/{name}"] == pytest.approx(value)
        for count, value in manifest.counts.items():
            # The artifact's own rows are shown as such, whatever else a stage counts as rows.
            assert count == "rows" or artifact["metadata"][count] == value
        assert metrics[f"{stage}/seconds"] >= 0
    opened = outputs["begin"]["artifacts"]["opened"]["artifacts"][0]
    assert Ticket.model_validate_json(Path(opened["uri"]).read_bytes()).number == 1
    assert opened["metadata"]["round"] == 1
    pages = {Path(one["artifacts"][0]["uri"]) for one in outputs["finish"]["artifacts"].values()}
    assert {page.name for page in pages} == {"round_report", "loop_report"}
    for page in pages:
        assert page.stat().st_size <= HANDED_BYTES
    for file in folder.rglob("*"):
        if file.is_file() and file not in pages:
            assert file.stat().st_size < 100_000, f"{file} is no manifest"
            assert not pictures_in(file.read_bytes()), file


def check_end(store: Store, name: str) -> None:
    end = rounds.read_end(store, name, 1)
    assert end is not None
    assert (end.state, end.reason, end.champion, end.candidate) == ("PROMOTED", "better", "2", "2")
    assert store.exists(f"{rounds.round_prefix(name, 1)}/report.html")


def check_registry(settings: Settings, store: Store, name: str, made: dict[str, Manifest]) -> None:
    registry = open_registry(settings, store)
    champion = registry.champion(name)
    opened = rounds.read_round(store, name, 1)
    assert champion is not None
    assert champion.version == "2"
    assert (champion.uri, champion.digest) == (
        made["train"].results["model"]["uri"],
        made["train"].results["model"]["digest"],
    )
    wanted = {
        DECISION: "PROMOTED",
        PROMOTED_FROM: "1",
        "ratchet.round": "1",
        "ratchet.loop": name,
        "ratchet.parent_version": "1",
        "ratchet.parent_digest": opened.seed.digest,
        "ratchet.recipe": "learning",
        "ratchet.recipe_digest": opened.recipe.digest,
        "ratchet.prompts_digest": opened.prompts,
        "ratchet.filter_digest": made["filter"].content_digest,
        "ratchet.train_uri": made["train"].uri,
        "ratchet.gate_report": made["promote"].uri,
    }
    assert {tag: champion.tags.get(tag) for tag in wanted} == wanted
    first = registry.version(name, "1")
    assert first.digest == opened.seed.digest


def check_bucket(store: Store, name: str, made: dict[str, Manifest]) -> None:
    """The bucket holds every manifest with its shards, and no picture in any JSON."""
    keys = objects(store)
    for manifest in made.values():
        prefix = store.key(manifest.uri)
        assert {f"{prefix}/manifest.json", *(f"{prefix}/{s.name}" for s in manifest.shards)} <= keys.keys()
        assert all(store.key(pack.uri) in keys for pack in manifest.packs)
    texts = [key for key in keys if key.endswith((".json", ".jsonl", ".yaml"))]
    assert len(texts) > 20
    for key in texts:
        assert not pictures_in(store.get(key)), f"{key} holds a picture"


def pictures_in(data: bytes) -> bool:
    return any(sign in data for sign in PICTURES) or re.search(rb"[A-Za-z0-9+/]{400,}", data) is not None
