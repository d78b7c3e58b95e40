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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratchet.tinyworld import measure, rows, seed_model
from ratchet.tinyworld.questions import MOST
from ratchet.tinyworld.world import SKILLS, Item, items

if TYPE_CHECKING:
    from transformers import Idefics3ForConditionalGeneration, Idefics3Processor

log = logging.getLogger(__name__)
SEED_DIR = Path(__file__).parent / "seed"
Watch = Callable[[int, float], None]


@dataclass(frozen=True)
class Labels:
    """Labelled rows: `items("labels", rows, seed, skills, most)`."""

    rows: int
    seed: int
    skills: tuple[str, ...] = SKILLS
    most: int = MOST

    def items(self) -> Iterator[Item]:
        """Draw them: the very same each time."""
        return items("labels", self.rows, self.seed, skills=self.skills, most=self.most)


@dataclass(frozen=True)
class Stretch:
    """So many row visits, of these rows shuffled together."""

    visits: int
    labels: tuple[Labels, ...]


@dataclass(frozen=True)
class Cycle:
    """One warm-up and one fall of the learning rate from `lr`, over stretches that follow each other."""

    lr: float
    seed: int
    stretches: tuple[Stretch, ...]


_MIX = Labels(500 * len(SKILLS), 0)
_EASY = Labels(6000, 1, ("caption", "read"), 1)
_SMALL = Labels(12_000, 2, ("caption", "read", "add", "exist", "locate", "count"), 2)
# Reading handwriting comes late and all at once, and needs most of the visits until it does.
_DIGITS = Labels(8000, 3, ("read", "add"), 2)
CYCLES = (
    Cycle(1.2e-3, 0, (Stretch(8000, (_EASY,)), Stretch(60_000, (_SMALL,)), Stretch(120_000, (_MIX, _SMALL)))),
    Cycle(1.2e-3, 1, (Stretch(100_000, (_MIX, _SMALL)),)),
    Cycle(1.2e-3, 2, (Stretch(120_000, (_MIX, _DIGITS)),)),
    # What more visits at the learning rate of a round can find, the seed has found.
    Cycle(1e-3, 3, (Stretch(60_000, (_MIX, _DIGITS)),)),
    Cycle(1e-3, 4, (Stretch(50_000, (_MIX, _DIGITS)),)),
)


@dataclass(frozen=True)
class SeedConfig:
    """What makes the shipped seed. `asked` items of validation are for the report alone."""

    cycles: tuple[Cycle, ...] = CYCLES
    batch: int = 32
    warm_up: int = 150
    seed: int = 0
    asked: int = 900
    text: dict[str, int] = field(default_factory=dict)


def optimiser(model: Any, lr: float) -> Any:
    import torch

    return torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.98), weight_decay=0.01, fused=True)


def descend(model: Any, processor: Any, cycle: Cycle, config: SeedConfig, watch: Watch) -> None:
    """Train through one cycle. `watch` is told the step and the mean loss every hundred steps."""
    import torch

    generator = torch.Generator().manual_seed(cycle.seed)
    steps = sum(stretch.visits // config.batch for stretch in cycle.stretches)
    adam = optimiser(model, cycle.lr)
    model.train()
    step, seen = 0, 0.0
    for stretch in cycle.stretches:
        part = rows.rows_of(processor, [item for labels in stretch.labels for item in labels.items()])
        stream = rows.batches(part, config.batch, generator)
        for _ in range(stretch.visits // config.batch):
            share = min((step + 1) / config.warm_up, 1.0) * max(0.05, 1 - 0.95 * step / steps)
            for group in adam.param_groups:
                group["lr"] = cycle.lr * share
            loss = model(**rows.batch_of(part, next(stream), processor.tokenizer.pad_token_id)).loss
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

    The same config gives the same weights on the same machine type and torch version.
    """
    import torch

    started = time.process_time()
    # More threads add up in another order, which gives other weights; on a busy machine they are slower, too.
    torch.set_num_threads(1)
    processor = seed_model.build_processor()
    model = seed_model.build_model(processor, config.seed, **config.text)
    losses: list[float] = []

    def watch(step: int, loss: float) -> None:
        losses.append(loss)
        log.info("step %d, loss %.3f, %.0f CPU-s", step, loss, time.process_time() - started)

    for cycle in config.cycles:
        descend(model, processor, cycle, config, watch)
        # Each cycle starts from what is stored, so that one can be added later to a seed that is shipped.
        seed_model.save(model, processor, out_dir)
        model, processor = load(out_dir)
    marked = measure.marks(model, processor, list(items("validation", config.asked, 0)))
    report = {
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "weights": hashlib.sha256((out_dir / "model.safetensors").read_bytes()).hexdigest(),
        "cpu_seconds": round(time.process_time() - started),
        "loss": round(losses[-1], 4) if losses else None,
        "accuracy": round(measure.accuracy(marked), 1),
        "skills": {skill: round(measure.accuracy(marked, skill), 1) for skill in SKILLS},
    }
    (out_dir / "labels.json").write_text(json.dumps(asdict(config), indent=1) + "\n")
    (out_dir / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    return report


def seed_labels(folder: Path = SEED_DIR) -> Iterator[Item]:
    """The labelled rows that the seed in `folder` was last trained on, the very same: for the control "labels again"."""
    written = json.loads((folder / "labels.json").read_text())
    for part in written["cycles"][-1]["stretches"][-1]["labels"]:
        yield from Labels(**{**part, "skills": tuple(part["skills"])}).items()


def load(folder: Path = SEED_DIR) -> tuple[Idefics3ForConditionalGeneration, Idefics3Processor]:
    """The seed in float32, and its processor."""
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    return model, AutoProcessor.from_pretrained(folder)
