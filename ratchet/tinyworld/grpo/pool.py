"""Fresh prompts, and which of them the seed answers right sometimes but not always."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ratchet.comparing.clock import cpu
from ratchet.tinyworld import measure
from ratchet.tinyworld.oracle import is_right
from ratchet.tinyworld.world import SKILLS, Item, items, prompt_of

PROBES = 4
PER_SECOND = 36
"""Prompts that are drawn a second of budget where the seed is asked them first: about two in five are kept, and seen twice.
A third of that is seen seven times, and learned by heart: reward .58 to .92 in 61 steps, validation -2.2 +- 1.3."""
UNFILTERED = 30
"""Where it is not: about as many as it comes to, so that none is asked twice."""


def drawn(count: int, seed: int, skills: Sequence[str] | None) -> list[Item]:
    return list(items("pool", count, 1000 + seed, skills=skills or SKILLS))


def rates(model: Any, processor: Any, asked: Sequence[Item], seed: int, kept: Path) -> tuple[list[float], float]:
    """Each item's share of right answers among PROBES samples, and the CPU-seconds that they took when they were made.

    They are the same for the same items and seed, so they are kept in the folder `kept`; their seconds count each time.
    """
    import torch

    skills = "-".join(sorted({item.skill for item in asked}))
    file = kept / f"rates-{len(asked)}-{seed}-{skills}.json"
    if file.exists():
        found = json.loads(file.read_text())
        return found["rates"], found["seconds"]
    start = cpu()
    torch.manual_seed(seed)
    by_item = {
        (item.skill, item.index): sum(is_right(item, text) for text in texts) / len(texts)
        for item, texts in measure.answers(model, processor, asked, k=PROBES)
    }
    found = [by_item[item.skill, item.index] for item in asked]
    seconds = cpu() - start
    kept.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"rates": found, "seconds": seconds}))
    return found, seconds


def rows(chosen: Sequence[Item]) -> Any:
    """TRL's rows: the prompt as the verifiers know it in `asked`, pictures from memory."""
    from datasets import Dataset

    plain = Dataset.from_list(
        [{"number": n, "asked": prompt_of(item)[0].model_dump_json()} for n, item in enumerate(chosen)]
    )

    def shown(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        here = [chosen[n] for n in batch["number"]]
        return {
            "asked": batch["asked"],
            "images": [list(item.pictures) for item in here],
            "prompt": [[{"role": "user", "content": item.question}] for item in here],
        }

    plain.set_transform(shown)
    return plain
