"""Our endpoint engine against vLLM's own benchmark client: same server, same prompts and pictures, same concurrency.

    python -m bench --only endpoint

The client is `vllm.benchmarks.serve.benchmark`, what `vllm bench serve` runs; it gets our messages ready made. Ours also reads and
encodes the pictures, checks each reply and makes records. Both ask for log-probabilities and token ids, greedy, one answer a
prompt. That client always streams, which costs the server more than whole replies; a bare loop of posts of ready-made bodies is
therefore compared as well. Wall clock, since the work is the server's: requests a second.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from bench.result import SEED_FOLDER, Result, ratio
from ratchet.artifacts import ImageBank, write_pack
from ratchet.generate import SamplingParams
from ratchet.generate.engine import Request
from ratchet.generate.engines.endpoint import EndpointEngine
from ratchet.generate.engines.endpoint_body import body
from ratchet.recipe import EndpointConfig
from ratchet.services.vllm_server import Serving, vllm_server
from ratchet.store import FolderStore
from ratchet.tinyworld import items, prompt_of

GOAL = 0.9
CONCURRENCY = 16
LONGEST = 32
GREEDY = SamplingParams(strategy="greedy", temperature=0.0, max_new_tokens=LONGEST)


def measure(quick: bool) -> list[Result]:
    """Requests a second of the engine and of two other clients against one vLLM server, turn by turn."""
    prompts, turns = (64, 2) if quick else (480, 5)
    options = ["--max-model-len", "256", "--max-num-seqs", str(CONCURRENCY), "--limit-mm-per-prompt", '{"image": 2}']
    with (
        tempfile.TemporaryDirectory() as place,
        vllm_server(SEED_FOLDER, place, Serving(options=tuple(options))) as served,
    ):
        rates = compare(served.url, FolderStore(f"{place}/store"), prompts, turns)
    whats = {"client": "vLLM's benchmark client, which streams", "loop": "a bare loop of posts, which does not"}
    shared = f"{prompts} prompts, {CONCURRENCY} in flight, one vLLM server"
    return [
        ratio(
            f"endpoint {name}", f"endpoint engine over {what}; {shared}", GOAL, rates[name], rates["ours"], "requests/s"
        )
        for name, what in whats.items()
    ]


def compare(url: str, store: FolderStore, prompts: int, turns: int) -> dict[str, list[float]]:
    """Requests a second of vLLM's client, of a bare loop and of the engine ("ours"); the first turn warms up."""
    made = [prompt_of(item) for item in items("pool", prompts, 0)]
    pack = write_pack(store, "pack.parquet", {sha: data for _, shown in made for sha, data in shown.items()}.items())
    bank = ImageBank(store, [pack])
    requests = [Request.of(prompt) for prompt, _ in made]
    config = EndpointConfig(url=url, concurrency=CONCURRENCY, retries=0)
    engine = EndpointEngine(config, bank, "bench")
    bodies = [json.loads(body(r, GREEDY, config, engine.model, bank, 0, 1)) for r in requests]
    runs = {
        "client": lambda: _client(url, engine.model, bodies),
        "ours": lambda: _ours(engine, requests),
        "loop": lambda: asyncio.run(_loop(url, bodies)),
    }
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(turns + 1):
        for name in list(runs)[:: 1 if turn % 2 else -1]:
            seconds = runs[name]()
            if turn:
                rates[name].append(prompts / seconds)
    return rates


def _ours(engine: EndpointEngine, requests: Sequence[Request]) -> float:
    start = time.perf_counter()
    rows = engine.answer(requests, GREEDY)
    seconds = time.perf_counter() - start
    failed = [row[0].error for row in rows if row[0].error]
    if failed:
        raise RuntimeError(f"{len(failed)} requests failed: {failed[0]}")
    return seconds


async def _loop(url: str, bodies: Sequence[dict[str, Any]]) -> float:
    """Seconds of nothing but posting what is ready made and reading JSON."""
    import aiohttp

    free = asyncio.Semaphore(CONCURRENCY)

    async def post(session: aiohttp.ClientSession, one: dict[str, Any]) -> None:
        async with free, session.post(f"{url}/chat/completions", json=one) as response:
            if not (await response.json())["choices"]:
                raise RuntimeError("no choices")

    start = time.perf_counter()
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(post(session, one) for one in bodies))
    return time.perf_counter() - start


def _client(url: str, model: str, bodies: Sequence[dict[str, Any]]) -> float:
    """Seconds that vLLM's client reports."""
    from vllm.benchmarks.datasets import SampleRequest
    from vllm.benchmarks.serve import TaskType, benchmark

    theirs = ("model", "messages", "max_tokens")
    requests = [
        SampleRequest(
            prompt="",
            prompt_len=1,
            expected_output_len=LONGEST,
            request_id=str(number),
            chat_messages=one["messages"],
            request_overrides={k: v for k, v in one.items() if k not in theirs},
        )
        for number, one in enumerate(bodies)
    ]
    found = asyncio.run(
        benchmark(
            task_type=TaskType.GENERATION,
            endpoint_type="openai-chat",
            api_url=f"{url}/chat/completions",
            base_url=url.removesuffix("/v1"),
            model_id=model,
            model_name=model,
            tokenizer=None,
            input_requests=requests,
            logprobs=None,
            request_rate=float("inf"),
            burstiness=1.0,
            disable_tqdm=True,
            num_warmups=0,
            profile=False,
            selected_percentile_metrics=["e2el"],
            selected_percentiles=[50.0],
            ignore_eos=False,
            goodput_config_dict={},
            max_concurrency=CONCURRENCY,
            lora_modules=None,
            extra_headers=None,
            extra_body=None,
            ready_check_timeout_sec=0,
        )
    )
    if found["completed"] != len(requests):
        raise RuntimeError(f"vLLM's client completed {found['completed']} of {len(requests)} requests")
    seconds: float = found["duration"]
    return seconds


if __name__ == "__main__":
    # Against a server that runs already: python -m bench.endpoint http://127.0.0.1:8000/v1 [prompts] [turns]
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sizes = [int(text) for text in sys.argv[2:]] or [480, 5]
    with tempfile.TemporaryDirectory() as place:
        print(json.dumps(compare(sys.argv[1], FolderStore(place), sizes[0], sizes[1])))
