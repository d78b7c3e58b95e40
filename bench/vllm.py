"""Our vLLM engine against bare `LLM.generate`, and against our transformers engine: same model, prompts and precision.

    python -m bench --only vllm

Bare vLLM runs in a process of its own, since one process holds one. Turns alternate. Every call begins with empty caches.
Rates are samples per CPU-second of the process that samples, so that what else runs on the machine counts little; on a
GPU, per second of wall clock. Bare starts from decoded pictures and asks for log-probabilities as ours does; ours starts
from encoded pictures in a pack, counts tokens first, gives each completion a seed of its own, and makes answers.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

from bench.result import SEED_FOLDER, Result, ratio
from ratchet.artifacts import ImageBank, write_pack
from ratchet.generate import SamplingParams
from ratchet.generate.engine import Engine, Request
from ratchet.recipe import VllmConfig
from ratchet.store import FolderStore
from ratchet.tinyworld import Item, items, prompt_of

if TYPE_CHECKING:
    from bench.bare_vllm import BareVllm

GOAL = 0.95
# How far vLLM's continuous batching gets depends on the model: on this tiny one its scheduler is most of the work.
SHOWN = 0.0
BATCH = 256
LONGEST = 32
UNIT = "samples/s"


def measure(quick: bool) -> list[Result]:
    """The engine over bare vLLM, and over our other engine."""
    prompts, turns = (100, 2) if quick else (2000, 3)
    rates = compare(prompts, 8, turns)
    shared = f"{prompts} prompts, k = 8"
    bare = ("vllm bare", f"vllm engine over bare LLM.generate, {shared}", GOAL, rates["bare"])
    other = (
        "vllm transformers",
        f"vllm engine over transformers engine, {shared}; shown only",
        SHOWN,
        rates["transformers"],
    )
    return [ratio(name, what, goal, theirs, rates["ours"], UNIT) for name, what, goal, theirs in (bare, other)]


def compare(prompts: int, k: int, turns: int) -> dict[str, list[float]]:
    """Samples a second of bare vLLM, our vLLM engine ("ours") and our transformers engine, turn by turn."""
    drawn = list(items("pool", prompts, 0))
    spawn = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as place,
        ProcessPoolExecutor(1, mp_context=spawn, initializer=_start_bare, initargs=(drawn,)) as pool,
    ):
        runs: dict[str, Callable[[], float]] = {
            "bare": lambda: pool.submit(_run_bare, k).result(),
            **_ours(FolderStore(place), drawn, k),
        }
        rates: dict[str, list[float]] = {name: [] for name in runs}
        for turn in range(turns + 1):
            for name in list(runs)[:: 1 if turn % 2 else -1]:
                seconds = runs[name]()
                if turn:  # the first warms up
                    rates[name].append(prompts * k / seconds)
    return rates


def _ours(store: FolderStore, drawn: Sequence[Item], k: int) -> dict[str, Callable[[], float]]:
    from ratchet.generate.engines.local import TransformersEngine
    from ratchet.generate.engines.vllm_engine import VllmEngine

    made = [prompt_of(item) for item in drawn]
    pack = write_pack(store, "pack.parquet", {sha: data for _, shown in made for sha, data in shown.items()}.items())
    bank = ImageBank(store, [pack])
    requests = [Request.of(prompt) for prompt, _ in made]
    params = SamplingParams(k=k, max_new_tokens=LONGEST, seed=1)

    def timed(engine: Engine) -> Callable[[], float]:
        return lambda: _seconds(lambda: engine.answer(requests, params))

    return {
        "ours": timed(VllmEngine(VllmConfig(), SEED_FOLDER, bank, "bench", BATCH)),
        "transformers": timed(TransformersEngine(SEED_FOLDER, bank, "bench", BATCH)),
    }


def _seconds(work: Callable[[], Any]) -> float:
    import torch

    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    start = clock()
    work()
    return clock() - start


_bare: dict[str, Any] = {}


def _start_bare(drawn: Sequence[Item]) -> None:
    """In the process that holds bare vLLM."""
    from bench.bare_vllm import BareVllm

    _bare["loop"] = BareVllm(SEED_FOLDER, BATCH)
    _bare["asked"] = [(item.skill, item.question, list(item.pictures)) for item in drawn]


def _run_bare(k: int) -> float:
    loop: BareVllm = _bare["loop"]
    loop.llm.reset_mm_cache()
    loop.llm.reset_prefix_cache()
    loop.llm.llm_engine.reset_encoder_cache()
    return _seconds(lambda: loop.run(_bare["asked"], k, LONGEST))
