"""Train the seed: a plain loop over labelled rows, easy ones first, until more of them no longer help.

A seed that more passes over its own labels would still improve makes any self-improvement look good: `study` holds
this one to that control.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratchet.tinyworld import measure, rows, seed_model
from ratchet.tinyworld.world import SKILLS, Item, items

if TYPE_CHECKING:
    from transformers import Idefics3ForConditionalGeneration, Idefics3Processor

log = logging.getLogger(__name__)
SEED_DIR = Path(__file__).parent / "seed"


@dataclass(frozen=True)
class Phase:
    """A stretch of the curriculum: the rows `items("labels", rows, seed, skills, most)`, and how many are visited."""

    name: str
    rows: int
    seed: int
    skills: tuple[str, ...]
    most: int
    visits: int


@dataclass(frozen=True)
class SeedConfig:
    """What makes the shipped seed. The last phase is the labelled mix of all skills, the rows of `seed_labels`."""

    phases: tuple[Phase, ...] = (
        Phase("easy", 6000, 1, ("caption", "read"), 1, 8000),
        Phase("middle", 24000, 2, ("caption", "read", "exist", "locate"), 4, 40_000),
        Phase("mix", 700 * len(SKILLS), 0, SKILLS, 6, 120_000),
    )
    lr: float = 1.2e-3
    batch: int = 32
    warm_up: int = 150
    seed: int = 0
    settle: tuple[float, ...] = ()
    settle_visits: int = 50_000
    asked: int = 900
    text: dict[str, int] = field(default_factory=dict)


def phase_items(phase: Phase) -> Iterator[Item]:
    """The labelled rows of a phase."""
    return items("labels", phase.rows, phase.seed, skills=phase.skills, most=phase.most)


def optimiser(model: Any, lr: float) -> Any:
    import torch

    return torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.98), weight_decay=0.01, fused=True)


def descend(
    model: Any,
    plan: list[tuple[rows.Rows, int]],
    config: SeedConfig,
    lr: float,
    pad: int,
    watch: Callable[[int, float], None],
) -> None:
    """One warm-up and one linear fall to 5% of `lr` over all stretches of `plan`: (rows, visits) each."""
    import torch

    generator = torch.Generator().manual_seed(config.seed)
    steps = sum(visits // config.batch for _, visits in plan)
    adam = optimiser(model, lr)
    model.train()
    step, seen = 0, 0.0
    for part, visits in plan:
        stream = rows.batches(part, config.batch, generator)
        for _ in range(visits // config.batch):
            share = min((step + 1) / config.warm_up, 1.0) * max(0.05, 1 - 0.95 * step / steps)
            for group in adam.param_groups:
                group["lr"] = lr * share
            loss = model(**rows.batch_of(part, next(stream), pad)).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            adam.zero_grad(set_to_none=True)
            seen += loss.item()
            step += 1
            if step % 100 == 0:
                watch(step, seen / 100)
                seen = 0.0


def train_seed(out_dir: Path, config: SeedConfig = SeedConfig()) -> dict[str, Any]:
    """Train a seed from nothing and write everything that loads it, `labels.json` and `report.json`.

    The same config gives the same weights on the same machine and torch version.
    """
    import torch

    started = time.process_time()
    # More threads add up in another order, which gives other weights; on a busy machine they are slower, too.
    torch.set_num_threads(1)
    processor = seed_model.build_processor()
    model = seed_model.build_model(processor, config.seed, **config.text)
    pad = processor.tokenizer.pad_token_id
    plan = [(rows.rows_of(processor, list(phase_items(phase))), phase.visits) for phase in config.phases]

    def watch(step: int, loss: float) -> None:
        log.info("step %d, loss %.3f, %.0f CPU-s", step, loss, time.process_time() - started)

    descend(model, plan, config, config.lr, pad, watch)
    for number, lr in enumerate(config.settle):
        # A fresh optimiser and a new fall from `lr`, as the control "labels again" does: what it finds, we have.
        again = [(plan[-1][0], config.settle_visits)]
        descend(model, again, replace(config, seed=config.seed + 100 + number), lr, pad, watch)
    seed_model.save(model, processor, out_dir)
    torch.manual_seed(config.seed)
    stored, processor = load(out_dir)
    marked = measure.marks(stored, processor, list(items("validation", config.asked, 0)))
    report = {
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "weights": hashlib.sha256((out_dir / "model.safetensors").read_bytes()).hexdigest(),
        "cpu_seconds": round(time.process_time() - started),
        "accuracy": round(measure.accuracy(marked), 1),
        "skills": {skill: round(measure.accuracy(marked, skill), 1) for skill in SKILLS},
    }
    (out_dir / "labels.json").write_text(json.dumps(asdict(config), indent=1) + "\n")
    (out_dir / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    return report


def seed_labels() -> Iterator[Item]:
    """The labelled mix rows of the shipped seed, the very same: for the control "labels again"."""
    written = json.loads((SEED_DIR / "labels.json").read_text())
    for phase in written["phases"]:
        if phase["name"] == "mix":
            yield from phase_items(Phase(**{**phase, "skills": tuple(phase["skills"])}))


def load(folder: Path = SEED_DIR) -> tuple[Idefics3ForConditionalGeneration, Idefics3Processor]:
    """The seed in float32, and its processor."""
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    return model, AutoProcessor.from_pretrained(folder)
