"""ratchet's training against the bare scripts: same model, rows, batch, precision, threads; turns alternate.

    python -m bench.train MODEL_FOLDER [--method sft] [--rows 2048] [--turns 5]

Rates are optimiser steps per CPU-second of this process, so that what else runs on the machine does not count; on a GPU,
per second of wall clock. `loop` is the time in `train()` alone; `whole` is the call from a model folder to a model
folder, which for ours includes checking the rows, looking at what was saved, and the log. The bare script's rows hold
pictures that TRL's users would give it, ours come from an image pack through the stage's own code.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from datasets import Dataset
from PIL import Image

from bench.result import SEED_FOLDER, Result, ratio
from ratchet.artifacts import ImageBank, write_pack
from ratchet.recipe import TrainConfig, VerifyConfig
from ratchet.recipe.training.reinforcement import ReinforcementConfig
from ratchet.records import Sampling
from ratchet.store import FolderStore
from ratchet.tinyworld import items, prompt_of
from ratchet.train.rl.rewards import Rewards
from ratchet.train.rows import Row, joined
from ratchet.verify.environments import for_prompts
from ratchet.verify.panel import Panel

GOAL = 0.95


def sides(answer: str, method: str) -> Row:
    def said(text: str) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": text}]

    if method == "grpo":
        return {}
    wrong = "no" if answer != "no" else "yes"
    return {"completion": said(answer)} if method == "sft" else {"chosen": said(answer), "rejected": said(wrong)}


def drawn(rows: int, method: str) -> tuple[list[Row], dict[str, bytes]]:
    """Rows with their pictures by hash, and the pictures."""
    made, pictures = [], {}
    for item in items("pool", rows, 0):
        prompt, shown = prompt_of(item)
        pictures.update(shown)
        asked = {
            "images": [ref.sha256 for ref in prompt.images],
            "prompt": [{"role": "user", "content": item.question}],
        }
        if method == "grpo":
            asked["asked"] = prompt.model_dump_json()
        made.append({**asked, **sides(item.answer, method)})
    return made, pictures


def bare_rows(rows: int, method: str) -> Dataset:
    """Rows as the bare scripts take them."""
    made, pictures = drawn(rows, method)
    for row in made:
        if "asked" in row:
            row["answer"] = json.loads(row.pop("asked"))["reference"]
    return Dataset.from_list(
        [{**row, "images": [Image.open(io.BytesIO(pictures[sha])) for sha in row["images"]]} for row in made]
    )


def sft_rows(rows: int) -> Dataset:
    return bare_rows(rows, "sft")


def dpo_rows(rows: int) -> Dataset:
    return bare_rows(rows, "dpo")


def measure(quick: bool) -> list[Result]:
    """Each method: the loop alone, and from model folder to model folder."""
    results = []
    for method, most in (("sft", 2048), ("dpo", 512), ("grpo", 128)):
        rows, turns = (min(most, 64 if method == "grpo" else 128), 2) if quick else (most, 3)
        rates = compare(SEED_FOLDER, method=method, rows=rows, turns=turns)
        for part, what in (("loop", "in the training loop"), ("whole", "from model folder to model folder")):
            said = f"steps {what} over a bare TRL script, {rows} rows"
            bare, ours = rates[f"bare_{part}"], rates[f"ours_{part}"]
            results.append(ratio(f"train {method} {part}", said, GOAL, bare, ours, "steps/s"))
    return results


def compare(
    folder: str | Path, *, method: str = "sft", rows: int = 2048, epochs: float = 1, batch: int = 32, turns: int = 5
) -> dict[str, list[float]]:
    """Steps a second of both, in the loop and in all, turn by turn."""
    import torch

    from bench import bare_dpo, bare_grpo, bare_sft

    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    batch = 8 * bare_grpo.K if method == "grpo" else batch
    config = TrainConfig(
        method=method,  # type: ignore[arg-type]
        epochs=epochs,
        batch_size=batch,
        learning_rate={"sft": 1e-3, "dpo": 5e-4, "grpo": 1e-4}[method],
        rl=ReinforcementConfig(k=bare_grpo.K, max_new_tokens=bare_grpo.NEW_TOKENS) if method == "grpo" else None,
    )
    prepare = {"sft": bare_sft.prepare, "dpo": bare_dpo.prepare, "grpo": bare_grpo.prepare}[method]
    given = bare_rows(rows, method)
    found: dict[str, list[float]] = {f"{who}_{what}": [] for who in ("bare", "ours") for what in ("loop", "whole")}
    with tempfile.TemporaryDirectory() as place:
        data = drawn_rows(rows, method, Path(place))
        for turn in range(turns + 1):
            for who in ("bare", "ours") if turn % 2 else ("ours", "bare"):
                with tempfile.TemporaryDirectory() as out, _Loop(clock) as loop:
                    start = clock()
                    if who == "bare":
                        trainer = prepare(folder, given, out, epochs, batch, config.learning_rate)
                        trainer.train()
                        trainer.save_model(f"{out}/model")
                        steps = trainer.state.global_step
                    else:
                        from ratchet.train import METHODS, Job

                        job = Job(config, Path(folder), data, Path(out) / "model", 1, rewards=rewards(method))
                        steps = METHODS[method](job).steps
                    if turn:  # the first warms up
                        found[f"{who}_whole"].append(steps / (clock() - start))
                        found[f"{who}_loop"].append(steps / loop.spent)
    return found


def rewards(method: str) -> Rewards | None:
    """The verifiers that the prompts name, as the train stage gives them to GRPO."""
    if method != "grpo":
        return None
    drawn = Sampling(strategy="grpo", seed=1, temperature=1.0, max_new_tokens=1)
    return Rewards(Panel(None, for_prompts(None)), VerifyConfig(), drawn)


class _Loop:
    """Measures the time in `Trainer.train`, ours or bare."""

    def __init__(self, clock: Any) -> None:
        self.clock, self.spent, self.ended = clock, 0.0, 0.0

    def __enter__(self) -> _Loop:
        from transformers import Trainer

        self.train = train = Trainer.train

        def timed(*given: Any, **options: Any) -> Any:
            start = self.clock()
            try:
                return train(*given, **options)
            finally:
                self.ended = self.clock()
                self.spent += self.ended - start

        Trainer.train = timed
        return self

    def __exit__(self, *_: object) -> None:
        from transformers import Trainer

        Trainer.train = self.train


def drawn_rows(rows: int, method: str, place: Path) -> Dataset:
    made, pictures = drawn(rows, method)
    store = FolderStore(place)
    return joined(made, ImageBank(store, [write_pack(store, "pack.parquet", pictures.items())]), place / "rows.arrow")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder")
    arguments.add_argument("--method", default="sft")
    arguments.add_argument("--epochs", type=float, default=1)
    for name, default in (("rows", 2048), ("batch", 32), ("turns", 5)):
        arguments.add_argument(f"--{name}", type=int, default=default)
    given = vars(arguments.parse_args())
    found = compare(given.pop("folder"), **given)
    for part in ("loop", "whole"):
        turns = [ours / bare for ours, bare in zip(found[f"ours_{part}"], found[f"bare_{part}"], strict=True)]
        rates = {who: round(statistics.median(found[f"{who}_{part}"]), 2) for who in ("bare", "ours")}
        print(
            f"{part}: {statistics.median(turns):.3f} of the bare script's; steps/s {rates}; {[round(t, 3) for t in turns]}"
        )
