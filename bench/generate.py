"""ratchet's sampler and its whole stage against the bare loop: same model, prompts, batch, precision and threads.

    OMP_NUM_THREADS=1 python -m bench.generate MODEL_FOLDER [--prompts 450] [--k 8] [--turns 5] [--batch 256]

Turns alternate. Rates are samples per CPU-second of this process, so that what else runs on the machine counts little;
on a GPU, per second of wall clock. The bare loop starts from decoded pictures and ends with texts. Ours start from
encoded pictures in a pack; the stage also loads the model and writes its shards and manifest.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.result import SEED_FOLDER, Result, ratio
from ratchet import models
from ratchet.artifacts import ImageBank, Manifest, write_pack
from ratchet.generate import SamplingParams
from ratchet.promptset import PromptSet, PromptSetWriter
from ratchet.recipe import Recipe
from ratchet.records import Prompt
from ratchet.rounds import Round
from ratchet.stage import context_of, run_step
from ratchet.store import FolderStore
from ratchet.tinyworld import Item, items, prompt_of

LONGEST = 32
GOAL = 0.95
UNIT = "samples/s"


def measure(quick: bool) -> list[Result]:
    """The sampler alone and the whole stage, against the bare loop."""
    prompts, turns = (90, 2) if quick else (1350, 3)
    rates = compare(SEED_FOLDER, prompts=prompts, turns=turns)
    whats = {
        "sampler": "TransformersEngine over a bare generate loop",
        "stage": "the whole stage over a bare generate loop",
    }
    return [
        ratio(f"generate {name}", f"{what}, {prompts} prompts, k = 8", GOAL, rates["bare"], rates[name], UNIT)
        for name, what in whats.items()
    ]


def compare(
    folder: str | Path, *, prompts: int = 450, k: int = 8, turns: int = 5, batch: int = 256
) -> dict[str, list[float]]:
    """Samples a second of the bare loop, our sampler and our stage, turn by turn."""
    import torch

    drawn = list(items("pool", prompts, 0))
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    with tempfile.TemporaryDirectory() as place:
        runs = _runs(Path(folder), FolderStore(place), drawn, k, batch)
        rates: dict[str, list[float]] = {name: [] for name in runs}
        for turn in range(turns + 1):
            for name in list(runs)[:: 1 if turn % 2 else -1]:
                start = clock()
                runs[name]()
                if turn:  # the first warms up
                    rates[name].append(prompts * k / (clock() - start))
    return rates


def _runs(folder: Path, store: FolderStore, drawn: list[Item], k: int, batch: int) -> dict[str, Callable[[], Any]]:
    from bench.bare_generate import BareLoop
    from ratchet.generate.engines.local import TransformersEngine

    made = [prompt_of(item) for item in drawn]
    asked = [prompt for prompt, _ in made]
    pack = write_pack(store, "pack.parquet", {sha: data for _, shown in made for sha, data in shown.items()}.items())
    sampler = TransformersEngine(folder, ImageBank(store, [pack]), "bench", batch)
    questions = [(item.skill, item.question, list(item.pictures)) for item in drawn]
    loop = BareLoop(folder, batch)
    params = SamplingParams(k=k, max_new_tokens=LONGEST, seed=1)
    writer = PromptSetWriter(store, name="bench", digest="b" * 64, source="tinyworld", salt="bench")
    writer.write_part("pool", asked, [pack])
    stage = _stage(store, folder, writer.finish([]), asked, k, batch)
    return {
        "bare": lambda: loop.run(questions, k, LONGEST, 1),
        "sampler": lambda: list(sampler.sample(asked, params)),
        "stage": stage,
    }


def _stage(
    store: FolderStore, folder: Path, prompts: PromptSet, asked: list[Prompt], k: int, batch: int
) -> Callable[[], Manifest]:
    seed = models.upload(store, folder, "bench")
    generate = {"k": k, "batch_size": batch, "max_new_tokens": LONGEST}
    recipe = Recipe.model_validate({"name": "bench", "prompts": {"pool": len(asked)}, "generate": generate})
    shared = {
        "loop": "bench",
        "job": "bench",
        "family": "bench",
        "code_revision": "bench",
        "seed": seed,
        "recipe": recipe,
    }
    numbers = itertools.count()

    def run() -> Manifest:
        # Another salt each time: a stage that is complete would return at once.
        number = next(numbers)
        opened = Round(number=number, salt=str(number), prompts=prompts.digest, report=prompts.digest, **shared)
        return run_step(context_of("generate", store, opened, {}))

    return run


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder")
    for name, default in (("prompts", 450), ("k", 8), ("turns", 5), ("batch", 256)):
        arguments.add_argument(f"--{name}", type=int, default=default)
    given = vars(arguments.parse_args())
    found = compare(given.pop("folder"), **given)
    for name, rates in found.items():
        turns = [round(mine / bare, 3) for mine, bare in zip(rates, found["bare"], strict=True)]
        print(
            f"{name:<8} {statistics.median(rates):8.1f} {UNIT}  {statistics.median(turns):.3f} of the bare loop's  {turns}"
        )
