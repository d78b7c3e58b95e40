"""Sampling from any OpenAI-compatible chat server that takes pictures: a running vLLM, KServe, a gateway.

At most `concurrency` requests are in flight and only their pictures are in memory. What a passing fault spoils is asked again
after a growing, jittered wait; what does not pass is an error on its row; a server that fails throughout stops the stage.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ratchet.artifacts import ImageBank
from ratchet.errors import DigestMismatch, NotFound, PromptSetError, SamplingError
from ratchet.generate.engine import Answer, BatchHook, Given, Request, TextLikelihood, sample
from ratchet.generate.engines.endpoint_body import body, check_fits
from ratchet.generate.engines.endpoint_http import URL_ENV, NotThere, Server
from ratchet.generate.engines.endpoint_pace import Pace
from ratchet.generate.engines.endpoint_reply import Again, Asked, Refused, answers, brief, is_unicode
from ratchet.generate.sampling import SamplingParams, derived_seed
from ratchet.recipe import EndpointConfig
from ratchet.records import Group, Prompt

if TYPE_CHECKING:
    from aiohttp import ClientSession

T = TypeVar("T")
GivenHook = Callable[[int, tuple[Answer, ...]], None]
"""Told of a request's answers, by its number, as soon as it has them all."""
WRONG_MODEL = "reply: wrong model"


class _Job(NamedTuple):
    """One HTTP request: answers `first` to `first + n` of request number `place`."""

    place: int
    first: int
    n: int


class EndpointEngine:
    """Asks the server that `config` names; pictures come from `bank`. `on_batch` is told of completions as they arrive.

    Completions name as their model the served one, or `label` where the server runs the round's seed. The server is asked at
    once which models it has; raises SamplingError when it does not answer or does not serve the model. `limit_seconds` bounds one
    request with all its retries. `pace` is for tests.
    """

    def __init__(
        self,
        config: EndpointConfig,
        bank: ImageBank,
        label: str,
        *,
        on_batch: BatchHook | None = None,
        pace: Pace | None = None,
        limit_seconds: float | None = None,
    ) -> None:
        self.config = config
        self.bank = bank
        self.on_batch = on_batch
        self.on_given: GivenHook | None = None
        self.limit_seconds = limit_seconds
        self._pace = pace or Pace()
        self._server = Server(config, self._pace)
        self._failures = _Failures(config.break_after)
        self._positions: int | None = None
        self.model = self.check()
        self.label = label if config.serves == "seed" else self.model

    def sample(self, prompts: Sequence[Prompt], params: SamplingParams) -> Iterator[Group]:
        return sample(self, prompts, params)

    def close(self) -> None:
        """Nothing stays open between calls."""

    def likelihoods(self, given: Sequence[Given]) -> list[TextLikelihood]:
        """Raises SamplingError: a chat endpoint does not tell which of a conversation's tokens are the answer's."""
        del given
        raise SamplingError(
            f"engine endpoint ({self.model}) does not say how likely a given text is: a chat endpoint does not tell which tokens "
            "are the answer's. Set the judge's engine to transformers or vllm."
        )

    def check(self) -> str:
        """The model that will be asked. Raises SamplingError when the server is not reachable or does not serve it."""
        return asyncio.run(self._check())

    def answer(self, requests: Sequence[Request], params: SamplingParams) -> list[tuple[Answer, ...]]:
        """`params.k` answers to each request, in their order. Raises SamplingError for what every request would meet."""
        params.checked()
        check_fits(self.config, params)
        made = asyncio.run(self._answer_all(requests, params))
        if made and all((a.error or "").startswith(WRONG_MODEL) for row in made for a in row):
            raise SamplingError(f"{self._server.url}: all {len(made)} prompts got a reply of the {made[0][0].error}")
        return made

    async def _check(self) -> str:
        wanted = self.config.model
        async with self._server.session() as session:
            try:
                served = await self._tried(lambda: self._served(session), random.Random(0))
            except NotThere:
                # Some gateways list nothing; then the first answer tells whether the model is there.
                if wanted is None:
                    raise
                self._positions = None
                return wanted
            except (Again, Refused) as error:
                raise SamplingError(
                    f"{self._server.url} does not answer: {self._server.redacted(error.words)}. "
                    f"Start the server, or mend generate.engine.url or {URL_ENV}."
                ) from None
        name = self._chosen(list(served))
        self._positions = served[name]
        return name

    async def _served(self, session: ClientSession) -> dict[str, int | None]:
        """The models by name, with the most tokens of prompt and answer where the server says so (vLLM does)."""
        reply = await self._server.exchange(session, "GET", "models")
        listed = reply.get("data") if isinstance(reply, dict) else None
        if not isinstance(listed, list):
            raise Again("reply", f"no list of models: {brief(reply)}")
        models = [one for one in listed if isinstance(one, dict) and _is_name(one.get("id"))]
        lengths = [one.get("max_model_len") for one in models]
        known = [n if isinstance(n, int) and n > 0 else None for n in lengths]
        return {m["id"]: n for m, n in zip(models, known, strict=True)}

    def _chosen(self, served: Sequence[str]) -> str:
        wanted = self.config.model
        if wanted in served or (wanted is None and len(served) == 1):
            return wanted or served[0]
        asked = "generate.engine.model is not set" if wanted is None else f"it does not serve {wanted!r}"
        raise SamplingError(
            f"{self._server.url} serves {', '.join(served) or 'no model'}; {asked}. Set generate.engine.model to one of these."
        )

    async def _answer_all(self, requests: Sequence[Request], params: SamplingParams) -> list[tuple[Answer, ...]]:
        made: list[dict[int, Answer]] = [{} for _ in requests]
        jobs = self._jobs(len(requests), params.k)

        async def work(session: ClientSession) -> None:
            for job in jobs:
                given = await self._done(session, requests[job.place], params, job)
                row = made[job.place]
                row.update(enumerate(given, job.first))
                if self.on_given is not None and len(row) == params.k:
                    self.on_given(job.place, tuple(row[number] for number in range(params.k)))
                if self.on_batch is not None:
                    self.on_batch(job.n)

        async with self._server.session() as session:
            await _together([work(session) for _ in range(self.config.concurrency)])
        return [tuple(row[number] for number in range(params.k)) for row in made]

    def _jobs(self, requests: int, k: int) -> Iterator[_Job]:
        step = min(self.config.n_per_request or k, k)
        for place in range(requests):
            for first in range(0, k, step):
                yield _Job(place, first, min(step, k - first))

    async def _done(
        self, session: ClientSession, request: Request, params: SamplingParams, job: _Job
    ) -> tuple[Answer, ...]:
        """The job's answers, failed ones where it could not be done. Raises SamplingError when the circuit breaks."""
        if request.begun and self.config.dialect == "openai":
            words = "OpenAI's protocol cannot go on from a given beginning; generate.engine.dialect vllm can, at a vLLM"
            return (Answer.failed("refused", words),) * job.n
        try:
            data = body(request, params, self.config, self.model, self.bank, job.first, job.n)
        except (NotFound, DigestMismatch, PromptSetError) as error:
            return (Answer.failed("picture", str(error)),) * job.n
        asked = Asked(self.model, job.n, params, self.config.dialect == "vllm", request.begun, self._positions)
        draw = random.Random(derived_seed("wait", request.id, job.first))
        try:
            async with asyncio.timeout(self.limit_seconds):
                given = await self._tried(lambda: self._asked(session, data, asked), draw)
        except TimeoutError:
            failed = Answer.failed("timeout", f"no answer within {self.limit_seconds:g} s, retries included")
            self._note(failed, healthy=False)
            return (failed,) * job.n
        except (Again, Refused) as error:
            failed = Answer.failed(error.slug, self._server.redacted(error.words))
            self._note(failed, healthy=isinstance(error, Refused) and error.slug != "reply")
            return (failed,) * job.n
        self._failures.clear()
        return tuple(replace(a, error=self._server.redacted(a.error)) if a.error else a for a in given)

    async def _asked(self, session: ClientSession, data: bytes, asked: Asked) -> tuple[Answer, ...]:
        return answers(await self._server.exchange(session, "POST", "chat/completions", data), asked)

    async def _tried(self, ask: Callable[[], Awaitable[T]], draw: random.Random) -> T:
        """What `ask` gives, tried again after faults that may pass. Raises the last one when all tries are used."""
        for attempt in range(self.config.retries):
            try:
                return await ask()
            except Again as fault:
                await self._pace.back_off(attempt, fault.wait, draw)
        return await ask()

    def _note(self, failed: Answer, *, healthy: bool) -> None:
        """A request that the server understood and refused is no sign of a broken server; all other failures are."""
        if healthy:
            self._failures.clear()
        elif self._failures.add(failed.error or ""):
            raise SamplingError(
                f"{self.config.break_after} requests in a row failed at {self._server.url} (generate.engine.break_after), "
                f"after {self.config.retries} retries each where they could help; the last: "
                f"{'; '.join(self._failures.last)}. Mend the server or the connection and run the stage again: "
                "finished files are kept."
            )


def _is_name(given: Any) -> bool:
    return isinstance(given, str) and is_unicode(given)


class _Failures:
    """The circuit breaker: counts failures in a row, and keeps the words of the last different ones."""

    def __init__(self, most: int) -> None:
        self.row = 0
        self.last: deque[str] = deque(maxlen=3)
        self._most = most

    def add(self, words: str) -> bool:
        """Note a failure; whether it is one too many."""
        self.row += 1
        if words not in self.last:
            self.last.append(words)
        return self.row >= self._most

    def clear(self) -> None:
        self.row = 0
        self.last.clear()


async def _together(works: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run all to their end; the first exception ends the others before it is raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
