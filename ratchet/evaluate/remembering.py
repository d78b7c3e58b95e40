"""A model that is asked nothing twice: greedy answers are kept in the store, by all that they depend on.

The candidate that becomes champion answers the same suites in the next round, and an imported holdout: its answers are there. They
lie under `answers/<digest of model and engine>/`, keyed by messages, pictures and how the answer is drawn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ratchet.artifacts import ImageBank
from ratchet.generate.engine import Answer, BatchHook, Engine, Given, Request, TextLikelihood, sample
from ratchet.generate.sampling import SamplingParams
from ratchet.recipe import EngineConfig, TransformersConfig, VllmConfig
from ratchet.records import Group, Prompt
from ratchet.store import Store
from ratchet.verify.judges import Judgements, Question
from ratchet.verify.judges.asking import key_of

FOLDER = "answers"
SUITE = "suite"
"""Strategy of draws whose seed is the suite's own: they are the same in every round, and are kept too."""


class Spent:
    """What answers cost: `asked` of the model and `recalled` from the store, tokens read and written, seconds asking."""

    def __init__(self) -> None:
        self.asked = self.recalled = self.tokens_in = self.tokens_out = 0
        self.seconds = 0.0

    def told(self) -> dict[str, float]:
        """For a manifest."""
        counts = {name: getattr(self, name) for name in ("asked", "recalled", "tokens_in", "tokens_out")}
        return {**counts, "seconds": round(self.seconds, 3)}


class Remembering:
    """An engine that is started by `start` when it is first asked something new. Without a store it remembers in memory.

    Whoever makes one closes it.
    """

    def __init__(
        self,
        start: Callable[[], Engine],
        bank: ImageBank,
        label: str,
        store: Store | None,
        who: Mapping[str, Any],
        on_batch: BatchHook | None = None,
    ) -> None:
        self.label = label
        self.spent = Spent()
        self._bank, self._start, self._on_batch = bank, start, on_batch
        self._engine: Engine | None = None
        self._cache = None if store is None else Judgements(store, who, FOLDER)
        self._memory: dict[str, tuple[Answer, ...]] = {}

    @property
    def bank(self) -> ImageBank:
        return self._bank

    @bank.setter
    def bank(self, bank: ImageBank) -> None:
        self._bank = bank
        if self._engine is not None:
            self._engine.bank = bank

    def sample(self, prompts: Sequence[Prompt], params: SamplingParams) -> Iterator[Group]:
        return sample(self, prompts, params)

    def likelihoods(self, given: Sequence[Given]) -> list[TextLikelihood]:
        return self._started().likelihoods(given)

    def answer(self, requests: Sequence[Request], params: SamplingParams) -> list[tuple[Answer, ...]]:
        """As the engine's; what was answered before is not asked again, and the same question is asked once."""
        if params.temperature > 0 and params.strategy != SUITE:
            return self._asked(requests, params)
        keys = [key_of(Question(one.messages, one.images, one.begun), params) for one in requests]
        asked = dict(zip(keys, requests, strict=True))
        found = self._known(list(asked))
        self._recalled(len(found), params.k)
        fresh = {key: one for key, one in asked.items() if key not in found}
        made = dict(zip(fresh, self._asked(list(fresh.values()), params), strict=True)) if fresh else {}
        self._keep(made)
        return [found[key] if key in found else made[key] for key in keys]

    def settle(self) -> None:
        """Return when all that is kept is in the store."""
        if self._cache is not None:
            self._cache.settle()

    def close(self) -> None:
        """Write what is kept, and free the model."""
        try:
            if self._cache is not None:
                self._cache.close()
        finally:
            if self._engine is not None:
                self._engine.close()
            self._engine = self._cache = None

    def _known(self, keys: Sequence[str]) -> dict[str, tuple[Answer, ...]]:
        if self._cache is not None:
            return {key: kept.answers for key, kept in self._cache.find(keys).items()}
        return {key: self._memory[key] for key in keys if key in self._memory}

    def _keep(self, made: Mapping[str, tuple[Answer, ...]]) -> None:
        if self._cache is not None:
            self._cache.keep(made, "")
        else:
            self._memory.update(made)

    def _recalled(self, requests: int, k: int) -> None:
        self.spent.recalled += requests * k
        if requests and self._on_batch is not None:
            self._on_batch(requests * k)

    def _asked(self, requests: Sequence[Request], params: SamplingParams) -> list[tuple[Answer, ...]]:
        engine = self._started()
        start = time.perf_counter()
        made = engine.answer(requests, params)
        self.spent.seconds += time.perf_counter() - start
        self.spent.asked += sum(map(len, made))
        self.spent.tokens_in += sum(max(one.n_prompt for one in answers) for answers in made)
        self.spent.tokens_out += sum(one.n_tokens for answers in made for one in answers)
        return made

    def _started(self) -> Engine:
        if self._engine is None:
            self._engine = self._start()
            self._engine.bank = self._bank
        return self._engine


def identity(engine: EngineConfig, digest: str, dtype: str) -> dict[str, Any]:
    """What a model's greedy answers depend on beside the question. Not how many are asked at once, nor where."""
    who: dict[str, Any] = {"engine": engine.kind, "digest": digest, "dtype": dtype}
    if isinstance(engine, TransformersConfig):
        return who
    if isinstance(engine, VllmConfig):
        return {**who, "options": engine.options, "max_model_len": engine.max_model_len}
    return {"engine": engine.kind, "model": digest, "options": engine.options}
