"""The judge client: many questions at once, pictures included; each asked once, whoever asks it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ratchet.errors import SamplingError, StoreError, VerifierUnavailable
from ratchet.generate.engine import Answer, Engine, Request
from ratchet.generate.sampling import SamplingParams
from ratchet.recipe import EndpointConfig, JudgeConfig
from ratchet.records import ImageRef, Message
from ratchet.verify.judges.cache import Judgements
from ratchet.verify.judges.spending import Spending

CHUNK = 8
"""Batches of a local engine between two writes of the cache: what a kill may lose of its work."""


@dataclass(frozen=True)
class Question:
    """What a judge is shown. `begun` is what its reply begins with: it goes on from there."""

    messages: tuple[Message, ...]
    images: tuple[ImageRef, ...] = ()
    begun: str = ""

    @classmethod
    def of(cls, text: str, images: Sequence[ImageRef] = ()) -> Question:
        """One turn of a user, the pictures before it."""
        return cls((Message(role="user", content=text),), tuple(images))


@dataclass
class Judge:
    """Asks the model that `engine` runs. `cache` None: nothing is kept, and only questions of one call are asked once."""

    name: str
    config: JudgeConfig
    engine: Engine
    spending: Spending
    cache: Judgements | None = None

    def ask(self, questions: Sequence[Question], params: SamplingParams | None = None) -> list[tuple[Answer, ...]]:
        """`params.k` replies to each question, in their order; by default one, drawn as the judge is configured.

        A question that could not be answered has failed replies. Raises VerifierUnavailable where the judge is away:
        what it replied before is kept, and is not asked again.
        """
        drawn = (params or self.params()).checked()
        keys = [key_of(one, drawn) for one in questions]
        asked = dict(zip(keys, questions, strict=True))
        known = self.cache.find(list(asked)) if self.cache is not None else {}
        for key, kept in known.items():
            self.spending.recalled(self.name, key, kept.by, *self._tokens(kept.answers))
        made = self._made({key: one for key, one in asked.items() if key not in known}, drawn)
        return [known[key].answers if key in known else made[key] for key in keys]

    def params(self) -> SamplingParams:
        """How the judge replies by default."""
        temperature = self.config.temperature
        return SamplingParams(strategy="judge", temperature=temperature, max_new_tokens=self.config.max_new_tokens)

    def tokens(self, answers: Sequence[Answer]) -> int:
        """What these replies to one question cost when they are made, in tokens read and written."""
        return sum(self._tokens(answers))

    def close(self) -> None:
        """Write what is kept. The engine is its opener's."""
        if self.cache is not None:
            self.cache.close()

    def _made(self, asked: Mapping[str, Question], params: SamplingParams) -> dict[str, tuple[Answer, ...]]:
        """The engine's replies, kept as they come. An endpoint gets all at once, so that it is never idle."""
        made: dict[str, tuple[Answer, ...]] = {}
        keys = list(asked)
        step = len(keys) if self._remote else max(1, self.config.batch_size * CHUNK // params.k)
        try:
            for start in range(0, len(keys), step or 1):
                some = keys[start : start + step]
                requests = [Request(key, asked[key].messages, asked[key].images, asked[key].begun) for key in some]
                made |= self._answered(some, requests, params)
            if self.cache is not None and made:
                self.cache.settle()
        except (SamplingError, StoreError) as error:
            raise away(self.name, error) from error
        return made

    def _answered(
        self, keys: Sequence[str], requests: Sequence[Request], params: SamplingParams
    ) -> dict[str, tuple[Answer, ...]]:
        made: dict[str, tuple[Answer, ...]] = {}

        def note(some: Mapping[str, tuple[Answer, ...]]) -> None:
            made.update(some)
            for key, answers in some.items():
                failed = any(one.error for one in answers)
                self.spending.called(self.name, key, *self._tokens(answers), failed)
            if self.cache is not None:
                self.cache.keep(some, self.spending.part)

        if self._remote:
            remote: Any = self.engine
            remote.on_given = lambda place, answers: note({keys[place]: answers})
            try:
                self.engine.answer(requests, params)
            finally:
                remote.on_given = None
        else:
            note(dict(zip(keys, self.engine.answer(requests, params), strict=True)))
        return made

    @property
    def _remote(self) -> bool:
        return isinstance(self.config.engine, EndpointConfig) and hasattr(self.engine, "on_given")

    def _tokens(self, answers: Sequence[Answer]) -> tuple[int, int]:
        """Tokens read and written. A prompt is read once for each HTTP request."""
        times, k = 1, len(answers)
        if isinstance(self.config.engine, EndpointConfig) and self.config.engine.n_per_request:
            times = -(-k // min(self.config.engine.n_per_request, k))
        return times * max(one.n_prompt for one in answers), sum(one.n_tokens for one in answers)


def away(name: str, error: Exception) -> VerifierUnavailable:
    """What stops a stage because of a judge, in the words of the recipe's part that configures it."""
    words = str(error).replace("generate.", f"verify.judges.{name}.").rstrip(".")
    return VerifierUnavailable(
        f"judge {name} cannot be asked: {words}. What it replied so far is kept: run the stage again when it is there."
    )


def key_of(question: Question, params: SamplingParams) -> str:
    """32 hex digits of all that a reply depends on beside the judge: the whole text, pictures, and how it is drawn."""
    body = [
        [[m.role, m.content] for m in question.messages],
        [image.sha256 for image in question.images],
        question.begun,
        params.model_dump(mode="json", exclude={"strategy"}),
    ]
    return hashlib.sha256(orjson.dumps(body)).hexdigest()[:32]
