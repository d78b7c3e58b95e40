"""A judged verify stage against a bare loop of posts: same scripted server, same bodies, same number in flight.

    python -m bench --only judges

The server replies after a time drawn from the question's hash (200 to 400 ms), so that its capacity is what keeping it busy gives
(107 a second):
the bare loop posts ready-made bodies and reads JSON. The stage does all of its work: groups from Parquet, prompts, pictures, keys,
the cache in the store, reading of replies, verdicts to Parquet. Wall clock, since waiting is what is measured: judgements a second.
A second run, with every reply kept, shows what the cache costs.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from bench.result import Result, ratio
from ratchet.artifacts import GROUPS, ArtifactWriter, Header, ImageBank, Manifest, ModelRef, write_pack
from ratchet.generate import SamplingParams
from ratchet.generate.engine import Request
from ratchet.generate.engines.endpoint_body import body
from ratchet.promptset import PromptSetWriter
from ratchet.recipe import EndpointConfig, parse
from ratchet.records import Completion, Group, Prompt
from ratchet.rounds import Round
from ratchet.stage import context_of, run_step
from ratchet.store import FolderStore
from ratchet.tinyworld import items, prompt_of
from ratchet.verify.judges import Question

GOAL = 0.9
IN_FLIGHT = 32
SHARD = 450
MODEL = "judge"
TEMPLATE = "{question} answer : {answer} . score from {lowest} to {highest} ."
ANSWERS = ("yes", "red circle , blue square")
DRAWN = SamplingParams(strategy="judge", temperature=0.0, max_new_tokens=16)


def measure(quick: bool) -> list[Result]:
    """Judgements a second of the stage and of the bare loop, turn by turn."""
    prompts, turns = (120, 1) if quick else (900, 3)
    with tempfile.TemporaryDirectory() as place, served() as url:
        loop, stage, kept = compare(url, place, prompts, turns)
    shared = f"{prompts * len(ANSWERS)} judgements, {IN_FLIGHT} in flight, a server that takes 200 to 400 ms"
    detail = {"kept_per_second": kept, "judgements": prompts * len(ANSWERS)}
    what = f"verify with a rubric over a bare loop of posts; {shared}"
    return [ratio("judges", what, GOAL, loop, stage, "judgements/s", **detail)]


def compare(url: str, place: str, prompts: int, turns: int) -> tuple[list[float], list[float], list[float]]:
    """Rates of the loop, of the stage, and of the stage when all is kept; the first turn warms up."""
    rates: tuple[list[float], list[float], list[float]] = ([], [], [])
    for turn in range(turns + 1):
        # A store of its own: the first run must find nothing kept.
        work = Work(FolderStore(f"{place}/{turn}"), url, prompts)
        both = [lambda w=work: asyncio.run(w.loop()), lambda w=work: w.stage("first")]
        seconds = {}
        for number in (0, 1) if turn % 2 else (1, 0):
            seconds[number] = both[number]()
        seconds[2] = work.stage("again")
        if turn:
            for number, found in enumerate(rates):
                found.append(prompts * len(ANSWERS) / seconds[number])
    return rates


class Work:
    """Groups with pictures in a store, and the same questions as ready-made bodies."""

    def __init__(self, store: FolderStore, url: str, prompts: int) -> None:
        self.store, self.url = store, url
        made = [prompt_of(item) for item in items("pool", prompts, 0)]
        self.pack = write_pack(store, "pack.parquet", {s: d for _, shown in made for s, d in shown.items()}.items())
        self.opened = self._round()
        self.parent = self._groups([prompt for prompt, _ in made])
        bank = ImageBank(store, [self.pack])
        config = EndpointConfig(url=url)
        asked = [(p, answer) for p, _ in made for answer in ANSWERS]
        self.bodies = [body(_request(p, answer), DRAWN, config, MODEL, bank, 0, 1) for p, answer in asked]

    def stage(self, salt: str) -> float:
        """Seconds of the verify stage."""
        again = self.opened.model_copy(update={"salt": salt})
        context = context_of("verify", self.store, again, {"generate": self.parent})
        start = time.perf_counter()
        manifest = run_step(context)
        seconds = time.perf_counter() - start
        if manifest.counts["passed"] != len(self.bodies):
            raise RuntimeError(f"{manifest.counts} for {len(self.bodies)} questions")
        return seconds

    async def loop(self) -> float:
        """Seconds of nothing but posting what is ready made and reading JSON."""
        import aiohttp

        free = asyncio.Semaphore(IN_FLIGHT)

        async def post(session: aiohttp.ClientSession, one: bytes) -> None:
            head = {"Content-Type": "application/json"}
            async with free, session.post(f"{self.url}/chat/completions", data=one, headers=head) as response:
                if not (await response.json())["choices"]:
                    raise RuntimeError("no choices")

        start = time.perf_counter()
        async with aiohttp.ClientSession() as session:
            await asyncio.gather(*(post(session, one) for one in self.bodies))
        return time.perf_counter() - start

    def _round(self) -> Round:
        prompts = PromptSetWriter(self.store, name="none", digest="a" * 64, source="bench", salt="s").finish([])
        engine = {"kind": "endpoint", "url": self.url, "concurrency": IN_FLIGHT, "retries": 0}
        verify = {
            "verifiers": [{"name": "rubric", "judge": "j", "criteria": {"score": 1}, "template": TEMPLATE}],
            "judges": {"j": {"engine": engine, "max_new_tokens": DRAWN.max_new_tokens}},
        }
        return Round(
            loop="bench",
            number=0,
            salt="salt",
            job="job",
            seed=ModelRef(name="seed", uri=self.store.uri("models/seed"), digest="0" * 64),
            recipe=parse({"name": "bench", "verify": verify}),
            prompts=prompts.digest,
            report=prompts.digest,
            family=prompts.family,
            code_revision="bench",
        )

    def _groups(self, prompts: Sequence[Prompt]) -> Manifest:
        writer = ArtifactWriter(self.store, "parents/generate", GROUPS, Header(stage="generate", key="k"))
        for index, start in enumerate(range(0, len(prompts), SHARD)):
            writer.write(index, [_group(prompt) for prompt in prompts[start : start + SHARD]])
        return writer.commit(packs=[self.pack])


def _group(prompt: Prompt) -> Group:
    said = (
        Completion(index=i, text=text, finish_reason="stop", sampling=DRAWN.record(), n_tokens=2, model="bench")
        for i, text in enumerate(ANSWERS)
    )
    return Group(prompt=prompt, completions=tuple(said))


def _request(prompt: Prompt, answer: str) -> Request:
    text = TEMPLATE.format(question=prompt.question, answer=answer, lowest=1, highest=5)
    question = Question.of(text, prompt.images)
    return Request(prompt.id, question.messages, question.images)


@contextmanager
def served() -> Iterator[str]:
    """The scripted server in a process of its own; gives its base address."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/v1"
    finally:
        server.terminate()
        server.join()


def serve(pipe: Connection) -> None:
    """Reply five to everything, after its time; the port goes through the pipe."""
    asyncio.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    from aiohttp import web

    async def chat(request: web.Request) -> web.Response:
        asked = await request.read()
        await asyncio.sleep(0.2 + 0.2 * zlib.crc32(asked) / 2**32)
        return web.Response(body=REPLY, content_type="application/json")

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    app = web.Application(client_max_size=2**24)
    app.add_routes([web.post("/v1/chat/completions", chat), web.get("/v1/models", models)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    pipe.send(runner.addresses[0][1])
    await asyncio.Event().wait()


def _reply() -> dict[str, Any]:
    message = {"role": "assistant", "content": "score: 5"}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "token_ids": [1, 2, 3], "logprobs": None}
    return {"model": MODEL, "choices": [choice], "usage": {"prompt_tokens": 40, "completion_tokens": 3}}


REPLY = json.dumps(_reply()).encode()
