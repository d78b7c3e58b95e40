"""What checkpoints cost a training, and how long after its last step a model is in the store; against a real SeaweedFS.

    python -m bench.checkpoints [--model FOLDER]

`overhead`: steps a second of wall clock in `train()` with a checkpoint every 50 steps over none: the same training, turns
alternate. `registered`: from the last step to the uploaded model (cast, checked, saved, read back, hashed, sent, its card
written) over boto3's upload of the same files, whose bytes lie on the disk already; `detail` has its parts.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.bare_store import BareTransfers
from bench.result import SEED_FOLDER, Result, ratio
from bench.train import _Loop, drawn_rows
from ratchet import models
from ratchet.recipe import CheckpointsConfig, TrainConfig
from ratchet.services import start
from ratchet.services.seaweed import BUCKET
from ratchet.store import Store, open_store
from ratchet.train import METHODS, Job, TrainReport
from ratchet.train.checkpoints import Checkpoints, Training

SLOWER = 0.97
REGISTERED = 1.2
EVERY = 50
BATCH = 32
WIDE = {"hidden_size": 1024, "num_hidden_layers": 8}
"""A language part of 77 million parameters: large enough that bytes count, not files."""


def measure(quick: bool) -> list[Result]:
    steps, turns = (60, 1) if quick else (3 * EVERY, 3)
    with services() as store, tempfile.TemporaryDirectory() as place:
        return [
            overhead(store, Path(place), SEED_FOLDER, steps, turns),
            registered(store, Path(place), {} if quick else WIDE, 1 if quick else 3),
        ]


@contextmanager
def services() -> Any:
    with tempfile.TemporaryDirectory() as place, start(Path(place) / "services", mlflow=False) as running:
        os.environ.update(running.environment())
        yield open_store(f"s3://{BUCKET}/bench")


def overhead(store: Store, place: Path, folder: Path, steps: int, turns: int) -> Result:
    """Loops with checkpoints and without, in turn: none, ours, ours, none."""
    rows = drawn_rows(512, "sft", place)
    rates: dict[str, list[float]] = {"none": [], "ours": []}
    cpu: dict[str, list[float]] = {"none": [], "ours": []}
    reports: list[TrainReport] = []
    for turn in range(turns + 1):
        spent, worked = {"none": 0.0, "ours": 0.0}, {"none": 0.0, "ours": 0.0}
        for number, who in enumerate(("none", "ours", "ours", "none")):
            config = TrainConfig(
                max_steps=steps,
                batch_size=BATCH,
                checkpoints=CheckpointsConfig(every=EVERY if who == "ours" else None),
            )
            checkpoints = Checkpoints(store.sub(f"turn-{turn}-{number}"), Training(key="k", seed="s", config="c"))
            with tempfile.TemporaryDirectory() as out, _Loop(time.perf_counter) as loop:
                before = time.process_time()
                report = METHODS["sft"](Job(config, folder, rows, Path(out) / "model", 1, checkpoints=checkpoints))
                worked[who] += time.process_time() - before
            spent[who] += loop.spent
            reports += [report] if who == "ours" and turn else []
        for who in rates:
            if turn:  # the first warms up
                rates[who].append(2 * steps / spent[who])
                cpu[who].append(worked[who])
    said = f"steps in the training loop with a checkpoint every {EVERY} over none, {steps} steps of {BATCH}"
    detail = {
        "checkpoints": sum(report.checkpoints for report in reports),
        "skipped": sum(report.checkpoints_skipped for report in reports),
        "failed": sum(report.checkpoints_failed for report in reports),
        "cpu": statistics.median(a / b for a, b in zip(cpu["none"], cpu["ours"], strict=True)),
    }
    return ratio("checkpoints overhead", said, SLOWER, rates["none"], rates["ours"], "steps/s", **detail)


def registered(store: Store, place: Path, text: dict[str, int], turns: int) -> Result:
    """Seconds from the last step to the model's card, over those of the bare upload."""
    folder = seed_of(place / "wide", text)
    rows = drawn_rows(64, "sft", place)
    config = TrainConfig(max_steps=1, batch_size=2, warmup_ratio=0)
    bare, ours, parts = [], [], []
    for turn in range(turns + 1):
        with tempfile.TemporaryDirectory() as out, _Loop(time.perf_counter) as loop:
            made = Path(out) / "model"
            job = Job(config, folder, rows, made, turn)
            report = METHODS["sft"](job)
            saved = time.perf_counter() - loop.ended
            begun = time.perf_counter()
            models.upload(store, made, f"turn-{turn}", job.hashes)
            sent = time.perf_counter() - begun
            size = sum(path.stat().st_size for path in made.rglob("*"))
            os.sync()
            begun = time.perf_counter()
            transfers = BareTransfers(BUCKET)
            for path in sorted(made.iterdir()):
                transfers.upload(path, f"bare/{turn}/{path.name}")
            alone = time.perf_counter() - begun
        if turn:  # the first warms up
            bare.append(alone)
            ours.append(saved + sent)
            parts.append((saved, sent))
    detail = {
        "mebibytes": size / 2**20,
        "parameters": report.parameters,
        "save_seconds": statistics.median(part[0] for part in parts),
        "upload_seconds": statistics.median(part[1] for part in parts),
    }
    shares = [mine / theirs for mine, theirs in zip(ours, bare, strict=True)]
    said = "from the last step to the model in the store, over boto3's upload of its files"
    return Result(
        "checkpoints registered",
        said,
        REGISTERED,
        False,
        statistics.median(shares),
        "ratio of s",
        shares,
        bare,
        ours,
        detail,
    )


def seed_of(folder: Path, text: dict[str, int]) -> Path:
    from ratchet.tinyworld import seed_model

    processor = seed_model.build_processor()
    seed_model.save(seed_model.build_model(processor, 0, **text), processor, folder)
    return folder


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--model", default=SEED_FOLDER)
    for name, default in (("steps", 3 * EVERY), ("turns", 3)):
        arguments.add_argument(f"--{name}", type=int, default=default)
    given = arguments.parse_args()
    with services() as store, tempfile.TemporaryDirectory() as place:
        found = overhead(store, Path(place), Path(given.model), given.steps, given.turns)
        print(f"{found.measured:.3f} of the steps/s without checkpoints; {found.detail}; {found.turns}")
