"""Whole rounds by the compiled pipeline under kfp.local, as `ratchet run` does them: each task a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ratchet import canonical, loop, rounds
from ratchet.artifacts import Manifest
from ratchet.artifacts.manifest import parse_manifest
from ratchet.errors import RoundError
from ratchet.kfp_io import shown_metrics
from ratchet.live import EventFile
from ratchet.local_run import LocalRun, run_rounds
from ratchet.model_files import CARD
from ratchet.registry import lease as leases
from ratchet.registry import open_registry
from ratchet.registry.base import DECISION, PROMOTED_FROM
from ratchet.registry.looks import Looks
from ratchet.registry.promotion import history
from ratchet.report.writing import HANDED_BYTES
from ratchet.rounds import Ticket
from ratchet.settings import Settings
from ratchet.stage import STAGES, STEPS
from ratchet.store import Store, open_store
from tests.e2e.rounds import LEARNING, objects
from tests.micro import settings_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
LOOP = "local"
PATIENCE = 600.0
# No retries: where a stage fails on purpose, a second try five seconds later says nothing new.
PROFILE = "{name: test, retries: 0, parallelism: 2}"
TASKS = (*(stage for stage in STAGES if stage != "generate"), "generate-shard", "merge")
# What a picture looks like inside of JSON: base64 of PNG and JPEG, a data URI, or the bytes themselves.
PICTURES = (b"iVBORw0KGgo", b"/9j/4AAQ", b"data:image", b"\x89PNG", b"\\u0089PNG", b"\xff\xd8\xff")
KEEP_ROOT = """
import sys
from ratchet.pipelines.local import run_round
from ratchet.profile import Profile
run_round(Profile.load(sys.argv[1]), {"loop": sys.argv[2], "recipe": sys.argv[3]}, sys.argv[4])
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name, value in {
        "OMP_NUM_THREADS": "1",
        "RATCHET_CACHE": str(tmp_path_factory.getbasetemp() / "kfp-cache"),
        "RATCHET_LEASE_SECONDS": "8",
        "RATCHET_LEASE_WAIT": "60",
        "TOKENIZERS_PARALLELISM": "false",
    }.items():
        monkeypatch.setenv(name, value)


def local_run(settings: Settings, folder: Path, name: str = LOOP, recipe: str = LEARNING) -> LocalRun:
    return LocalRun(name, recipe, folder, settings.environment(), PROFILE)


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
    name = f"lineage-{uuid.uuid4().hex[:8]}"
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


def test_a_stage_that_raises_fails_the_round_with_its_message_and_resume_completes_it(
    tiny_seed: Path, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path)
    loop.init_loop(settings, LOOP, str(tiny_seed))
    store = open_store(settings.root)
    run = local_run(settings, tmp_path / "runs")
    with card_hidden(store):
        code, log = completed(command_of(run), environment_of(run), tmp_path / "log")
    assert code == 1
    assert "train" in log.splitlines()[-1]
    end = rounds.read_end(store, LOOP, 1)
    assert end is not None
    assert end.state == "FAILED"
    assert re.match(r"train: ModelError: model local v1 has no ratchet-model.json at .*Upload it again", end.reason)
    assert set(rounds.manifests(store, LOOP, 1)) == {"generate", "verify", "filter"}
    before = objects(store, f"{rounds.round_prefix(LOOP, 1)}/")

    ends = run_rounds(run, 1, resume=True)
    assert [(e.state, e.champion) for e in ends] == [("PROMOTED", "2")]
    check_once(settings, store)
    after = objects(store, f"{rounds.round_prefix(LOOP, 1)}/")
    kept = {k: v for k, v in before.items() if re.search(r"/(generate|verify|filter)-", k)}
    assert len(kept) > 9
    assert kept.items() <= after.items()
    # What the failed run said stays on record, by its job.
    said = rounds.read_failures(store, LOOP, 1, end.job)
    assert said["train"] == end.reason.removeprefix("train: ")
    assert store.exists(f"{rounds.round_prefix(LOOP, 1)}/ends/{end.job}.json")


def test_a_begin_that_refuses_opens_no_round_and_says_why(tiny_seed: Path, tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    loop.init_loop(settings, LOOP, str(tiny_seed))
    run = local_run(settings, tmp_path / "runs", recipe=LEARNING.replace("max_steps: 8", "max_step: 8"))
    with pytest.raises(RoundError, match=r"failed at begin: .*RecipeError.*\n`ratchet resume --loop local`"):
        run_rounds(run, 1)
    assert "max_step: unknown key" in run.log(1).read_text()
    assert rounds.numbers(open_store(settings.root), LOOP) == []


def test_a_round_killed_whole_is_reopened_under_its_number_and_done_once(tiny_seed: Path, tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    loop.init_loop(settings, LOOP, str(tiny_seed))
    store = open_store(settings.root)
    run = local_run(settings, tmp_path / "runs")
    kept: dict[str, str] = {}
    for stage in ("filter", "evaluate"):
        kill_at(run, store, stage)
        assert rounds.numbers(store, LOOP) == [1]
        assert rounds.read_end(store, LOOP, 1) is None
        now = objects(store, f"{rounds.round_prefix(LOOP, 1)}/")
        assert kept.items() <= now.items()
        done = [store.key(m.uri) for m in rounds.manifests(store, LOOP, 1).values()]
        assert done
        kept |= {key: etag for key, etag in now.items() if key.startswith(tuple(f"{place}/" for place in done))}
    ends = run_rounds(run, 1)
    assert [(e.state, e.champion) for e in ends] == [("PROMOTED", "2")]
    assert kept.items() <= objects(store, f"{rounds.round_prefix(LOOP, 1)}/").items()
    check_once(settings, store)
    # The next run is another round, from the new champion and with another salt.
    opened = rounds.read_round(store, LOOP, 1)
    kill_at(run, store, "generate")
    assert rounds.numbers(store, LOOP) == [1, 2]
    second = rounds.read_round(store, LOOP, 2)
    assert second.seed.version == "2"
    assert second.salt != opened.salt


def check_once(settings: Settings, store: Store) -> None:
    """One round, one candidate, one look, one promotion, and the loop is free again."""
    assert rounds.numbers(store, LOOP) == [1]
    registry = open_registry(settings, store)
    assert [v.version for v in registry.versions(LOOP)] == ["1", "2"]
    assert [(m.intent.kind, m.intent.target, m.moved) for m in history(store, LOOP)] == [
        ("seed", "1", True),
        ("promotion", "2", True),
    ]
    assert Looks(store, rounds.read_round(store, LOOP, 1).family).next_number() == 2
    held = leases.read(store.sub(rounds.loop_prefix(LOOP)))
    assert held is not None
    assert held.released


@contextmanager
def card_hidden(store: Store) -> Iterator[None]:
    """Take away the card of the seed model once the round is open, since begin looks for it, and give it back."""
    (key,) = [k for k in objects(store, "models/") if k.endswith(f"/{CARD}")]
    data, ended = store.get(key), threading.Event()

    def hide() -> None:
        while not ended.wait(0.05):
            if rounds.numbers(store, LOOP):
                store.delete(key)
                return

    hiding = threading.Thread(target=hide)
    hiding.start()
    try:
        yield
    finally:
        ended.set()
        hiding.join()
        store.put(key, data)


def command_of(run: LocalRun) -> list[str]:
    return [
        *(sys.executable, "-m", "ratchet.pipelines.local", "--loop", run.loop),
        *("--recipe", run.recipe, "--profile", PROFILE),
    ]


def environment_of(run: LocalRun) -> dict[str, str]:
    run.folder.mkdir(exist_ok=True)
    return {**os.environ, **run.environment, "RATCHET_PROGRESS": str(run.progress)}


def completed(command: list[str], environment: dict[str, str], log: Path) -> tuple[int, str]:
    """Run to the end in a process group of its own, which goes whole if it takes too long. Exit code and log."""
    with log.open("wb") as sink:
        child = subprocess.Popen(
            command, env=environment, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        child.wait(PATIENCE)
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    return child.returncode, log.read_text(errors="replace")


def kill_at(run: LocalRun, store: Store, stage: str) -> None:
    """Start the pipeline in a process group of its own, and kill the whole group when `stage` has begun to tell of itself."""
    log = run.folder / "killed.log"
    environment = environment_of(run)
    run.progress.unlink(missing_ok=True)
    with log.open("ab") as sink:
        child = subprocess.Popen(
            command_of(run), env=environment, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not any(event["stage"] == stage for event in events(run.progress)):
            assert child.poll() is None, f"ended before {stage}: {log.read_text()[-3000:]}"
            assert time.monotonic() < deadline, f"no {stage} in time: {log.read_text()[-3000:]}"
            time.sleep(0.02)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def events(path: Path) -> list[dict[str, Any]]:
    return EventFile(path).new()
