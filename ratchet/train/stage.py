"""The train stage: the filter's groups and the round's seed become a candidate model in the store.

A training that is killed starts again from the seed and gives bitwise the same model, on the same machine and number of
threads: its random seed comes from the round's salt. Checkpoints in the middle of a training come later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ratchet import models
from ratchet.artifacts import GROUPS, ImageBank, Manifest
from ratchet.errors import TrainError
from ratchet.filter import reasons
from ratchet.recipe import TrainConfig
from ratchet.stage import StageContext
from ratchet.train.launchers import LAUNCHERS
from ratchet.train.methods import check
from ratchet.train.report import TRAIN_LOG
from ratchet.train.rows import ROWS, joined

if TYPE_CHECKING:
    from datasets import Dataset

_LOOSEN = "loosen filter, or sample more in generate"
ADVICE: Mapping[str, str] = {
    reasons.UNSCORED: "no verifier judged these answers; use a strategy that labels its own questions (ask, or visplay with "
    "label votes), or set verify.verifiers",
    "unreadable_question": "the model does not ask readable questions; see docs/collection.md",
    reasons.CLIPPED: "the answers were cut; raise generate.max_new_tokens",
    reasons.UNPARSED: "no verifier could read the answers; ask for the form that it reads, or set verify.verifiers",
    reasons.TOO_HARD: f"the seed hardly answers these prompts right; {_LOOSEN} (filter.min_pass_rate, generate.k)",
    reasons.TOO_EASY: f"the seed answers these prompts right already; {_LOOSEN} (filter.max_pass_rate, other prompts)",
    reasons.HELD_OUT_PROMPT: "the pool holds what the gate measures with; give prompts of other pictures",
    reasons.HELD_OUT_PICTURE: "the pool holds what the gate measures with; give prompts of other pictures",
}
"""What to do where the filter dropped most for this reason."""


def run(context: StageContext) -> Manifest:
    """Train, upload the model under the loop's name, and write the log as the stage's rows.

    `results` hold the model's reference and the report without its clocks. Raises what `Trainer` raises, and LeaseLost
    before anything is uploaded.
    """
    config: TrainConfig = context.config
    check(config)
    launch = LAUNCHERS["inprocess"][config.method]
    with TemporaryDirectory(prefix="ratchet-train-") as scratch:
        out_dir = Path(scratch) / "model"
        with context.clock("rows"):
            rows = _rows(context, config, Path(scratch) / "rows.arrow")
        with context.clock("fetch"):
            seed_dir = models.fetch(context.store, context.round.seed)
        with context.clock("train"):
            seed = training_seed(context.round.salt)
            report = launch(config, seed_dir, rows, out_dir, seed=seed, progress=context.progress)
        context.check_lease()
        with context.clock("upload"):
            model = models.upload(context.store, out_dir, context.round.loop)
    context.seconds["loop"] = report.loop_seconds
    writer = context.writer(TRAIN_LOG)
    writer.write(0, report.log)
    context.check_lease()
    return writer.commit(
        counts={"rows": report.rows, "visits": report.visits, "steps": report.steps},
        results={"model": model.model_dump(mode="json"), "report": report.outcome()},
        seconds=context.seconds,
    )


def training_seed(salt: str) -> int:
    """A number of 31 bits that differs from round to round and from the salt's other uses."""
    return int.from_bytes(hashlib.sha256(f"{salt}:train".encode()).digest()[:4], "big") >> 1


def _rows(context: StageContext, config: TrainConfig, file: Path) -> Dataset:
    artifact = context.open("filter", GROUPS)
    rows = ROWS[config.method](artifact.rows())
    if not rows:
        counts = ", ".join(f"{name} {number}" for name, number in sorted(artifact.manifest.counts.items())) or "none"
        raise TrainError(
            f"the filter left 0 rows for {config.method} of {artifact.manifest.rows} groups (its counts: {counts}). "
            f"{_advice(artifact.manifest, config)}"
        )
    return joined(rows, ImageBank(context.store, artifact.manifest.packs), file)


def _advice(filtered: Manifest, config: TrainConfig) -> str:
    """The next step, by what became of most groups."""
    dropped: Mapping[str, int] = filtered.results.get("reasons", {})
    most = max(dropped, key=lambda name: dropped[name], default=None)
    if most is None:
        return f"{_LOOSEN.capitalize()}."
    if filtered.counts.get("kept", 0) >= dropped[most]:
        return (
            f"Most groups were kept, but hold nothing for {config.method}: raise generate.k, or add generate.negatives."
        )
    if most in ADVICE:
        return f"Most were dropped as {most}: {ADVICE[most]}."
    if most in reasons.REASONS:
        return f"Most were dropped as {most} ({reasons.REASONS[most]}): {_LOOSEN}."
    return f"Most were given up in generate as {most}; `ratchet report` shows some, docs/collection.md says why."
