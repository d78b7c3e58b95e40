"""ratchet's training against the bare scripts: same model, rows, batch, precision, threads; turns alternate.

    python bench/train.py MODEL_FOLDER [--method sft] [--rows 2048] [--turns 5]

Rates are optimiser steps per CPU-second of this process, so that what else runs on the machine does not count; on a GPU,
per second of wall clock. `loop` is the time in `train()` alone; `whole` is the call from a model folder to a model
folder, which for ours includes checking the rows, looking at what was saved, and the log. The bare script's rows hold
pictures that TRL's users would give it, ours come from an image pack through the stage's own code.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from datasets import Dataset
from PIL import Image

from ratchet.artifacts import ImageBank, write_pack
from ratchet.recipe import TrainConfig
from ratchet.store import FolderStore
from ratchet.tinyworld import items, prompt_of
from ratchet.train.rows import Row, joined


def sides(answer: str, method: str) -> Row:
    def said(text: str) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": text}]

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
        made.append({**asked, **sides(item.answer, method)})
    return made, pictures


def bare_rows(rows: int, method: str) -> Dataset:
    """Rows as the bare scripts take them."""
    made, pictures = drawn(rows, method)
    return Dataset.from_list(
        [{**row, "images": [Image.open(io.BytesIO(pictures[sha])) for sha in row["images"]]} for row in made]
    )


def sft_rows(rows: int) -> Dataset:
    return bare_rows(rows, "sft")


def dpo_rows(rows: int) -> Dataset:
    return bare_rows(rows, "dpo")


def compare(
    folder: str | Path, *, method: str = "sft", rows: int = 2048, epochs: float = 1, batch: int = 32, turns: int = 5
) -> dict[str, Any]:
    """Steps a second of both (median over turns) and the ratios ours / bare (median of the turns' ratios)."""
    import bare_dpo
    import bare_sft
    import torch

    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    config = TrainConfig(
        method=method,
        epochs=epochs,
        batch_size=batch,
        learning_rate=1e-3 if method == "sft" else 5e-4,  # type: ignore[arg-type]
    )
    prepare = {"sft": bare_sft.prepare, "dpo": bare_dpo.prepare}[method]
    given = bare_rows(rows, method)
    found: dict[str, list[float]] = {f"{who}_{what}": [] for who in ("bare", "ours") for what in ("loop", "whole")}
    with tempfile.TemporaryDirectory() as place:
        data = _ours(rows, method, Path(place))
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
                        from ratchet.train import METHODS

                        steps = METHODS[method](config, Path(folder), data, Path(out) / "model", seed=1).steps
                    if turn:  # the first warms up
                        found[f"{who}_whole"].append(steps / (clock() - start))
                        found[f"{who}_loop"].append(steps / loop.spent)
    return _summary(found)


class _Loop:
    """Measures the time in `Trainer.train`, ours or bare."""

    def __init__(self, clock: Any) -> None:
        self.clock, self.spent = clock, 0.0

    def __enter__(self) -> _Loop:
        from transformers import Trainer

        self.train = train = Trainer.train

        def timed(*given: Any, **options: Any) -> Any:
            start = self.clock()
            try:
                return train(*given, **options)
            finally:
                self.spent += self.clock() - start

        Trainer.train = timed
        return self

    def __exit__(self, *_: object) -> None:
        from transformers import Trainer

        Trainer.train = self.train


def _ours(rows: int, method: str, place: Path) -> Dataset:
    made, pictures = drawn(rows, method)
    store = FolderStore(place)
    return joined(made, ImageBank(store, [write_pack(store, "pack.parquet", pictures.items())]), place / "rows.arrow")


def _summary(found: dict[str, list[float]]) -> dict[str, Any]:
    said: dict[str, Any] = {name: round(statistics.median(rates), 2) for name, rates in found.items()}
    for what in ("loop", "whole"):
        ratios = [ours / bare for ours, bare in zip(found[f"ours_{what}"], found[f"bare_{what}"], strict=True)]
        said[f"ratio_{what}"] = round(statistics.median(ratios), 3)
        said[f"ratios_{what}"] = [round(r, 3) for r in ratios]
    return said


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder")
    arguments.add_argument("--method", default="sft")
    arguments.add_argument("--epochs", type=float, default=1)
    for name, default in (("rows", 2048), ("batch", 32), ("turns", 5)):
        arguments.add_argument(f"--{name}", type=int, default=default)
    given = vars(arguments.parse_args())
    print(compare(given.pop("folder"), **given))
