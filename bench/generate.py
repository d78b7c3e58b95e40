"""ratchet's sampler and stage against the bare loop: same model, prompts, batch, precision, threads; turns alternate.

    python bench/generate.py MODEL_FOLDER [--prompts 450] [--k 8] [--turns 5]

Rates are samples per CPU-second of this process, so that what else runs on the machine does not count; on a GPU, per
second of wall clock. The bare loop starts from decoded pictures, ours from encoded ones in a pack.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ratchet.artifacts import ImageBank, write_pack
from ratchet.generate import SamplingParams
from ratchet.store import FolderStore
from ratchet.tinyworld import items, prompt_of


def compare(folder: str | Path, *, prompts: int = 450, k: int = 8, turns: int = 5, batch: int = 256) -> dict[str, Any]:
    """Samples a second of both (median over turns) and the ratio ours / bare (median of the turns' ratios)."""
    import torch
    from bare_generate import BareLoop

    from ratchet.generate.local import TransformersSampler

    drawn = list(items("pool", prompts, 0))
    made = [prompt_of(item) for item in drawn]
    with tempfile.TemporaryDirectory() as place:
        store = FolderStore(place)
        pack = write_pack(store, "pack.parquet", {sha: data for _, shown in made for sha, data in shown.items()}.items())
        sampler = TransformersSampler(folder, ImageBank(store, [pack]), "bench", batch)
        loop = BareLoop(folder, batch)
        asked = [prompt for prompt, _ in made]
        questions = [(item.skill, item.question, list(item.pictures)) for item in drawn]
        params = SamplingParams(k=k, max_new_tokens=32, seed=1)
        clock = time.perf_counter if torch.cuda.is_available() else time.process_time
        runs: dict[str, Callable[[], Any]] = {
            "bare": lambda: loop.run(questions, k, 32, 1),
            "ours": lambda: list(sampler.sample(asked, params)),
        }
        rates: dict[str, list[float]] = {name: [] for name in runs}
        for turn in range(turns + 1):
            for name in sorted(runs, reverse=bool(turn % 2)):
                start = clock()
                runs[name]()
                if turn:  # the first warms up
                    rates[name].append(prompts * k / (clock() - start))
    ratios = [ours / bare for ours, bare in zip(rates["ours"], rates["bare"], strict=True)]
    medians = {name: round(statistics.median(found), 1) for name, found in rates.items()}
    return {**medians, "ratio": round(statistics.median(ratios), 3), "ratios": [round(r, 3) for r in ratios]}


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder")
    for name, default in (("prompts", 450), ("k", 8), ("turns", 5), ("batch", 256)):
        arguments.add_argument(f"--{name}", type=int, default=default)
    given = vars(arguments.parse_args())
    print(compare(given.pop("folder"), **given))
