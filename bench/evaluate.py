"""The stage evaluate against a bare loop: the same two models, items, batch, precision and threads, from folders on.

    OMP_NUM_THREADS=1 python -m bench.evaluate [--prompts 1350] [--turns 3] [--batch 256]

A turn of ours loads champion and candidate, answers and scores every item, keeps answers and outcomes, and computes figures and
their differences; a bare turn loads each model and answers. Items are answered greedily, two in three also four times with
sampling. Seconds are of the process' CPU, on a GPU of the clock.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.result import SEED_FOLDER, Result, ratio
from ratchet import models
from ratchet.artifacts import Manifest, write_pack
from ratchet.promptset import PromptSetWriter
from ratchet.recipe import Recipe
from ratchet.rounds import Round
from ratchet.stage import context_of, run_step
from ratchet.store import FolderStore
from ratchet.tinyworld import Item, items, prompt_of

LONGEST, K = 32, 4
SHARE = 2 / 3
GOAL = 0.95
UNIT = "answers/s"


def measure(quick: bool) -> list[Result]:
    """The whole stage against the bare loop."""
    prompts, turns = (90, 1) if quick else (1350, 3)
    rates = compare(SEED_FOLDER, prompts=prompts, turns=turns)
    what = f"the stage over a bare generate loop, folder to figures, two models, {prompts} items, {K} samples of two in three"
    return [ratio("evaluate", what, GOAL, rates["bare"], rates["stage"], UNIT)]


def compare(folder: str | Path, *, prompts: int = 1350, turns: int = 3, batch: int = 256) -> dict[str, list[float]]:
    """Answers a second of the bare loop and of the stage, turn by turn."""
    import torch

    drawn = list(items("holdout", prompts, 0))
    sampled = int(prompts * SHARE)
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    answers = 2 * (prompts + K * sampled)
    with tempfile.TemporaryDirectory() as place:
        runs = {
            "bare": _bare(Path(folder), drawn, sampled, batch),
            "stage": _stage(place, folder, drawn, sampled, batch),
        }
        rates: dict[str, list[float]] = {name: [] for name in runs}
        for turn in range(turns + 1):
            for name in list(runs)[:: 1 if turn % 2 else -1]:
                start = clock()
                runs[name]()
                if turn:  # the first warms up
                    rates[name].append(answers / (clock() - start))
    return rates


def _bare(folder: Path, drawn: list[Item], sampled: int, batch: int) -> Callable[[], Any]:
    from bench.bare_generate import BareLoop

    questions = [(item.skill, item.question, list(item.pictures)) for item in drawn]

    def run() -> None:
        for _ in range(2):
            loop = BareLoop(folder, batch)
            loop.run(questions, 1, LONGEST, None)
            loop.run(questions[:sampled], K, LONGEST, 1)

    return run


def _stage(place: str, folder: str | Path, drawn: list[Item], sampled: int, batch: int) -> Callable[[], Manifest]:
    store = FolderStore(place)
    made = [prompt_of(item) for item in drawn]
    pack = write_pack(store, "pack.parquet", {sha: data for _, shown in made for sha, data in shown.items()}.items())
    writer = PromptSetWriter(store, name="bench", digest="b" * 64, source="tinyworld", salt="bench")
    writer.write_part("holdout", [prompt for prompt, _ in made], [pack])
    prompts = writer.finish([])
    # The same weights, and yet another model: the candidate must not find the champion's answers.
    twin = Path(place) / "twin"
    shutil.copytree(folder, twin)
    (twin / "README.md").write_text("the candidate")
    seed, made_of_it = models.upload(store, folder, "bench"), models.upload(store, twin, "bench")
    evaluate = {"batch_size": batch, "max_new_tokens": LONGEST, "pass_at_k": {"k": K, "prompts": sampled}}
    recipe = Recipe.model_validate({"name": "bench", "evaluate": evaluate})
    numbers = itertools.count()

    def run() -> Manifest:
        # Another salt each time, and nothing of what was answered before.
        number = next(numbers)
        for stat in list(store.list("answers/")):
            store.delete(store.key(stat.uri))
        opened = Round(
            loop="bench", number=number, salt=str(number), job="bench", seed=seed, recipe=recipe, family="bench",
            prompts=prompts.digest, report=prompts.digest, code_revision="bench",
        )  # fmt: skip
        return run_step(
            context_of("evaluate", store, opened, {"train": _trained(store, made_of_it.model_dump(mode="json"))})
        )

    return run


def _trained(store: FolderStore, model: dict[str, Any]) -> Manifest:
    digest: str = model["digest"]
    return Manifest(
        schema_name="model", schema_version=1, stage="train", key="bench", rows=0, results={"model": model},
        code_revision="bench", content_digest=digest, uri=store.uri("train"),
    )  # fmt: skip


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("prompts", 1350), ("turns", 3), ("batch", 256)):
        arguments.add_argument(f"--{name}", type=int, default=default)
    found = compare(SEED_FOLDER, **vars(arguments.parse_args()))
    for name, rates in found.items():
        turns = [round(mine / bare, 3) for mine, bare in zip(rates, found["bare"], strict=True)]
        print(
            f"{name:<6} {statistics.median(rates):8.1f} {UNIT}  {statistics.median(turns):.3f} of the bare loop's  {turns}"
        )
