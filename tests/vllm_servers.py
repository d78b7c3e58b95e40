"""vLLM for slow tests, over the shipped seed: a real server, started once a session and only when a test asks for it, the
engine in this process, and how answers of two engines are compared.

The server takes a minute to start. Its log is in the session's temporary folder; one that does not come up says its end.
"""

from __future__ import annotations

import importlib.util
import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import ratchet.tinyworld
from ratchet.artifacts import ImageBank
from ratchet.generate import SamplingParams
from ratchet.generate.engine import Answer, Engine, Request, joined
from ratchet.generate.engines.local import TransformersEngine
from ratchet.generate.engines.vllm_engine import VllmEngine
from ratchet.recipe import VllmConfig
from ratchet.services.vllm_server import Served, vllm_server
from ratchet.store import FolderStore
from tests import tiny

SEED_FOLDER = Path(ratchet.tinyworld.__file__).parent / "seed"
ITEMS = 500
LEAST = 0.99
NATS = 1e-3
GREEDY = SamplingParams(strategy="greedy", temperature=0.0, max_new_tokens=32)
# Found, not imported: that takes seconds in each worker that collects, and its memory is copied by each test that forks.
needs_vllm = pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="the set `inference` is not installed")


@pytest.fixture(scope="session", name="vllm_server")
def served_seed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The shipped seed in float32 behind vLLM's OpenAI-compatible server on loopback."""
    with vllm_server(SEED_FOLDER, tmp_path_factory.mktemp("vllm")) as served:
        yield served


class OneVllm:
    """The engine over the seed, one at a time in this process: vLLM has more than one only in processes of their own."""

    def __init__(self, bank: ImageBank) -> None:
        self.bank = bank
        self.engine: VllmEngine | None = None
        self.before: dict[str, str] = {}

    def open(self) -> VllmEngine:
        if self.engine is None:
            self.before = vllm_variables()
            self.engine = VllmEngine(VllmConfig(cpu_gib=0.5), SEED_FOLDER, self.bank, "seed", 256)
        return self.engine

    def close(self) -> None:
        if self.engine is not None:
            self.engine.close()
            self.engine = None


@pytest.fixture(scope="session", name="seed_world")
def asked_world(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Request], ImageBank]:
    """500 questions of all skills, and their pictures; `pair` has two."""
    prompts, pictures = tiny.world("pool", ITEMS)
    bank = tiny.bank(FolderStore(str(tmp_path_factory.mktemp("store"))), pictures)
    return [Request.of(prompt) for prompt in prompts], bank


@pytest.fixture(scope="session", name="local")
def seed_in_transformers(seed_world: tuple[list[Request], ImageBank]) -> TransformersEngine:
    return TransformersEngine(SEED_FOLDER, seed_world[1], "seed", 256)


@pytest.fixture(scope="session", name="expected")
def greedy_answers(local: TransformersEngine, seed_world: tuple[list[Request], ImageBank]) -> list[Answer]:
    return [answer for (answer,) in local.answer(seed_world[0], GREEDY)]


@pytest.fixture(scope="module")
def one_vllm(seed_world: tuple[list[Request], ImageBank]) -> Iterator[OneVllm]:
    one = OneVllm(seed_world[1])
    yield one
    one.close()


@pytest.fixture
def no_vllm(one_vllm: OneVllm) -> None:
    """Nothing of vLLM runs in this process."""
    one_vllm.close()


def said(request: Request) -> str:
    return request.messages[-1].content


def check_agreement(requests: Sequence[Request], ours: Sequence[Answer], theirs: Sequence[Answer], name: str) -> None:
    """Equal texts, counts and reasons for 99% of the items; likelihoods within 1e-3 nats where they are equal."""
    differing = [
        f"{said(request)}: {mine} instead of {other}"
        for request, mine, other in zip(requests, ours, theirs, strict=True)
        if (mine.text, mine.n_tokens, mine.finish_reason) != (other.text, other.n_tokens, other.finish_reason)
    ]
    share = 1 - len(differing) / len(requests)
    pairs = [(m, o) for m, o in zip(ours, theirs, strict=True) if m.text == o.text and m.logprob_sum is not None]
    most = max(abs((m.logprob_sum or 0) - (o.logprob_sum or 0)) for m, o in pairs)
    two = sum(len(request.images) == 2 for request in requests)
    print(f"\n{name}: {share:.2%} of {len(requests)} items equal ({two} with two pictures), nats apart <= {most:.1e}")  # noqa: T201
    print("\n".join(differing))  # noqa: T201
    assert len(requests) == ITEMS
    assert two >= 50
    assert share >= LEAST, "\n".join(differing)
    assert len(pairs) >= LEAST * ITEMS
    assert most <= NATS


def check_gone_on(engine: Engine, requests: list[Request], whole: list[Answer], local: TransformersEngine) -> None:
    """Greedy answers cut before and behind each blank are gone on to the same answers, with transformers' records."""
    some = [(r, a) for r, a in zip(requests, whole, strict=True) if " " in a.text][:40]
    cut = [
        (replace(request, id=f"{request.id}/{end}", begun=answer.text[:end]), answer.text)
        for request, answer in some
        for space in [i for i, letter in enumerate(answer.text) if letter == " "]
        for end in (space, space + 1)
    ]
    asked = [request for request, _ in cut]
    ours, theirs = ([a for (a,) in e.answer(asked, GREEDY)] for e in (engine, local))
    gone_on = [joined(r.begun, a.text) == text for (r, text), a in zip(cut, ours, strict=True)]
    same = [(a.text, a.n_tokens) == (b.text, b.n_tokens) for a, b in zip(ours, theirs, strict=True)]
    print(f"\n{len(cut)} cut answers: {sum(gone_on)} gone on to the whole, {sum(same)} as transformers")  # noqa: T201
    assert min(sum(gone_on), sum(same)) >= LEAST * len(cut) > 100


def distance(ours: Sequence[Sequence[str]], theirs: Sequence[Sequence[str]]) -> float:
    """Mean total variation between the frequencies of answers, prompt by prompt."""
    total = 0.0
    for mine, other in zip(ours, theirs, strict=True):
        a, b = Counter(mine), Counter(other)
        total += sum(abs(a[text] - b[text]) for text in {*a, *b}) / 2 / len(mine)
    return total / len(ours)


def shuffled(
    ours: Sequence[Sequence[str]], theirs: Sequence[Sequence[str]], chance: random.Random
) -> tuple[list[list[str]], list[list[str]]]:
    """Both engines' answers to each prompt in one pot, dealt again."""
    left, right = [], []
    for mine, other in zip(ours, theirs, strict=True):
        pot = [*mine, *other]
        chance.shuffle(pot)
        left.append(pot[: len(mine)])
        right.append(pot[len(mine) :])
    return left, right


def vllm_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("VLLM_")}


def resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
