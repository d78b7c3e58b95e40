"""Two shards on two cores against one process, and the memory of a stage over pools of a thousand to 300,000 prompts.

    OMP_NUM_THREADS=1 python -m bench --only shards

Each process is started, imports, loads the model, samples its shard and ends: wall clock, turns alternate. Memory is the
peak of a process that runs the stage with references and a corrupted picture each, for which no model is needed: what grows is
the stage's own, and the index of where each picture lies.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from bench.result import SEED_FOLDER, Result, peak_mib, ratio
from ratchet import models, rounds
from ratchet.artifacts import ModelRef, write_pack
from ratchet.canonical import sha256
from ratchet.generate.negatives.pictures import encode
from ratchet.promptset import PromptSet, PromptSetWriter
from ratchet.recipe import Recipe
from ratchet.records import ImageRef, Message, Prompt
from ratchet.rounds import Round
from ratchet.stage import context_of
from ratchet.store import FolderStore, open_store
from ratchet.tinyworld import items, prompt_of

GOAL, GROWTH, CORES = 1.7, 1.5, 2
SIDE, PACK = 12, 10_000
WITHOUT_MODEL = {"strategy": "reference", "negatives": [{"kind": "noise", "use": "input"}]}
"""What grows without a model: prompts, pictures, rows, and a corrupted picture each."""
LOOP = "shards"


def measure(quick: bool) -> list[Result]:
    """Speed of two shards over one, and peak memory of the largest pool over the smallest."""
    sizes = (1_000, 10_000) if quick else (1_000, 30_000, 300_000)
    with tempfile.TemporaryDirectory() as folder:
        return [_speed(Path(folder), 360 if quick else 5_400, 1 if quick else 3), _memory(Path(folder), sizes)]


def _speed(folder: Path, prompts: int, turns: int) -> Result:
    store = FolderStore(str(folder / "speed"))
    made = [prompt_of(item) for item in items("pool", prompts, 0)]
    pack = write_pack(store, "pack.parquet", {sha: data for _, shown in made for sha, data in shown.items()}.items())
    writer = PromptSetWriter(store, name="bench", digest="b" * 64, source="tinyworld", salt="bench")
    writer.write_part("pool", [prompt for prompt, _ in made], [pack])
    pool, seed = writer.finish([]), models.upload(store, SEED_FOLDER, "bench")
    rates: dict[int, list[float]] = {1: [], CORES: []}
    number = 0
    for turn in range(turns):
        for shards in (1, CORES)[:: 1 if turn % 2 else -1]:
            number += 1
            _open(store, number, pool, seed, prompts, {"shards": shards, "k": 8})
            start = time.perf_counter()
            _side_by_side(store.root, number, shards)
            rates[shards].append(prompts * 8 / (time.perf_counter() - start))
    what = f"{CORES} shards in {CORES} processes over 1, {prompts} prompts x 8, from start to end"
    return ratio("shards speed", what, GOAL, rates[1], rates[CORES], "samples/s")


def _memory(folder: Path, sizes: tuple[int, ...]) -> Result:
    peaks = {}
    for number, size in enumerate(sizes, 1):
        store = FolderStore(str(folder / f"memory-{size}"))
        writer = PromptSetWriter(store, name="bench", digest="c" * 64, source="bench", salt="bench")
        packs = [
            write_pack(store, f"pack-{start}.parquet", [_picture(n) for n in range(start, min(start + PACK, size))])
            for start in range(0, size, PACK)
        ]
        writer.write_part("pool", _prompts(size), packs)
        seed = ModelRef(name="none", uri=store.uri("models/none"), digest="0" * 64)
        _open(store, number, writer.finish([]), seed, size, WITHOUT_MODEL)
        peaks[size] = _peak(store.root, number)
    what = f"peak memory of the stage over {sizes[-1]:,} prompts against {sizes[0]:,}"
    detail = {"peak_mib": peaks}
    return Result("shards memory", what, GROWTH, False, peaks[sizes[-1]] / peaks[sizes[0]], "ratio", detail=detail)


def _picture(number: int) -> tuple[str, bytes]:
    """A small picture of its own for each number, and its hash."""
    data = encode(Image.frombytes("RGB", (SIDE, SIDE), random.Random(number).randbytes(3 * SIDE * SIDE)))
    return sha256(data), data


def _prompts(size: int) -> Iterator[Prompt]:
    asked = [Message(role="user", content="what ?")]
    for number in range(size):
        ref = ImageRef(sha256=_picture(number)[0], media_type="image/png", width=SIDE, height=SIDE)
        yield Prompt.make(messages=asked, images=[ref], skill="bench", source="bench", reference="nothing")


def _open(
    store: FolderStore, number: int, pool: PromptSet, seed: ModelRef, prompts: int, generate: dict[str, Any]
) -> None:
    recipe = Recipe.model_validate({"name": "bench", "prompts": {"pool": prompts}, "generate": generate})
    shared = {"job": "bench", "family": "bench", "code_revision": "bench", "seed": seed, "recipe": recipe}
    rounds.write_round(
        store, Round(loop=LOOP, number=number, salt=str(number), prompts=pool.digest, report=pool.digest, **shared)
    )


def _side_by_side(root: str, number: int, shards: int) -> None:
    children = [subprocess.Popen(_command(root, number, shard)) for shard in range(shards)]
    for child in children:
        if child.wait():
            raise RuntimeError(f"a shard ended with exit code {child.returncode}")


def _peak(root: str, number: int) -> float:
    done = subprocess.run(_command(root, number, 0), check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout.split()[-1])


def _command(root: str, number: int, shard: int) -> list[str]:
    return [sys.executable, "-m", "bench.shards", root, str(number), str(shard)]


def _child(root: str, number: int, shard: int) -> None:
    from ratchet.generate.stage import run_shard

    store = open_store(root)
    run_shard(context_of("generate", store, rounds.read_round(store, LOOP, number), {}), shard)
    print(peak_mib())


if __name__ == "__main__":
    _child(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
