"""For tests of question generation: an engine that says what a test makes it say, and what is made with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import yaml

from ratchet.artifacts import ImageBank
from ratchet.generate.engine import Answer, Request, sample
from ratchet.generate.sampling import SamplingParams
from ratchet.generate.strategies import Tools, collect
from ratchet.recipe import parse
from ratchet.records import Completion, Group, Prompt
from tests.rows import prompt

Script = Callable[[Request, int], "str | Answer"]


class Scripted:
    """Says what `script(request, number)` says, and remembers each call."""

    label = "scripted"
    bank: ImageBank

    def __init__(self, script: Script) -> None:
        self.script = script
        self.calls: list[tuple[Request, ...]] = []
        self.params: list[SamplingParams] = []

    def answer(self, requests: Sequence[Request], params: SamplingParams) -> list[tuple[Answer, ...]]:
        params.checked()
        self.calls.append(tuple(requests))
        self.params.append(params)
        return [tuple(self._one(request, n) for n in range(params.k)) for request in requests]

    def _one(self, request: Request, number: int) -> Answer:
        said = self.script(request, number)
        return said if isinstance(said, Answer) else Answer(said, len(said.split()) + 1, "stop")

    def sample(self, prompts: Sequence[Prompt], params: SamplingParams) -> Iterator[Group]:
        return sample(self, prompts, params)

    def close(self) -> None: ...


def recipe(strategy: str, **stage: Any) -> Any:
    generate = {"strategy": yaml.safe_load(strategy), "k": 4, "max_new_tokens": 20, **stage}
    return parse({"name": "asking", "generate": generate}).generate


def made(strategy: str, script: Script, prompts: Sequence[Prompt], **stage: Any) -> tuple[list[Group], Scripted]:
    config = recipe(strategy, **stage)
    engine = Scripted(script)
    tools = Tools(lambda: engine, config, seed=3)
    return collect(prompts, config.strategy, tools), engine


def pictures(n: int) -> list[Prompt]:
    """Pictures as a pool of pictures gives them: all with the same text, and no label."""
    return [
        Prompt.make(messages=p.messages, images=p.images, skill="pictures", source="pool", split_key=f"key{i}")
        for i, p in enumerate(prompt(i, None, ()) for i in range(n))
    ]


def kind(request: Request) -> str:
    """ask, rewrite, check, solve or blind."""
    return next((one for one in ("rewrite", "check", "solve", "blind") if f"/{one}" in request.id), "ask")


def by_kind(**said: Any) -> Script:
    """A script of what is said to each kind of request: a text, an answer, a list by number, or a function."""

    def script(request: Request, number: int) -> str | Answer:
        one = said[kind(request)]
        return one(request, number) if callable(one) else one[number % len(one)] if isinstance(one, list) else one

    return script


def reasons(groups: Sequence[Group]) -> list[str | None]:
    return [group.reason for group in groups]


def note(completion: Completion, name: str) -> float:
    return next(part.score for part in completion.notes if part.name == name)
