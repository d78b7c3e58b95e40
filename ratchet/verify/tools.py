"""What verifiers that are no rules work with: pictures, models that are opened when they are first asked, draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ratchet import models
from ratchet.artifacts import ImageBank, ModelRef
from ratchet.errors import SamplingError, StoreError, VerifierError
from ratchet.generate.engine import Engine
from ratchet.generate.engines import open_engine
from ratchet.generate.sampling import derived_seed
from ratchet.recipe import EndpointConfig, GenerateConfig, JudgeConfig, VerifyConfig
from ratchet.recipe.judges import SEED
from ratchet.stage import StageContext
from ratchet.store import Store
from ratchet.verify.judges import Judge, Judgements, Spending, identity
from ratchet.verify.judges.asking import away


@dataclass
class Tools:
    """`bank` has the prompts' pictures; `pinned` the models that the recipe names, by the name it gives them.

    `draw` is the number from which all of a verifier's own draws derive. `keeps`: whether judges' replies are kept in the store,
    where a judge's configuration wants it. Whoever opens tools closes them.
    """

    store: Store
    bank: ImageBank
    seed: ModelRef
    judges: Mapping[str, JudgeConfig]
    pinned: Mapping[str, ModelRef]
    draw: int
    keeps: bool = True
    spending: Spending = field(default_factory=Spending)
    _engines: dict[str, Engine] = field(default_factory=dict)
    _judges: dict[str, Judge] = field(default_factory=dict)

    def judge_config(self, name: str) -> JudgeConfig:
        """How the judge is configured; `seed` needs no configuration. Raises VerifierError for a name that is not known."""
        found = self.judges.get(name)
        if found is not None:
            return found
        if name == SEED:
            return JudgeConfig()
        raise VerifierError(
            f"no judge {name!r} in verify.judges; there are: {', '.join(sorted({SEED, *self.judges}))}."
        )

    def ref(self, source: str) -> ModelRef:
        """The model that a recipe names, as begin pinned it. Raises VerifierError where it did not."""
        if source == SEED:
            return self.seed
        found = self.pinned.get(source)
        if found is None:
            raise VerifierError(
                f"model {source!r} was not pinned when the round began; begin a round with this recipe (`ratchet begin`)."
            )
        return found

    def folder(self, source: str) -> Path:
        """A pinned model's folder on this machine."""
        return models.fetch(self.store, self.ref(source))

    def engine(self, judge: str) -> Engine:
        """What runs the judge's model; started when it is first asked for."""
        if judge not in self._engines:
            config = self.judge_config(judge)
            served = isinstance(config.engine, EndpointConfig)
            settings = GenerateConfig(
                engine=config.engine,
                batch_size=config.batch_size,
                dtype=config.dtype,
                max_new_tokens=config.max_new_tokens,
                k=1,
            )
            folder = None if served else self.folder(config.model)
            self._engines[judge] = open_engine(settings, folder, self.bank, self.ref(config.model).label)
            if served:
                remote: Any = self._engines[judge]
                remote.limit_seconds = config.limit_seconds
        found = self._engines[judge]
        found.bank = self.bank
        return found

    def judge(self, name: str) -> Judge:
        """The judge of that name, its model started. Raises VerifierUnavailable where it is away."""
        found = self._judges.get(name)
        if found is None:
            config = self.judge_config(name)
            try:
                engine = self.engine(name)
                cache = Judgements(self.store, self.who(name)) if config.cache and self.keeps else None
            except (SamplingError, StoreError) as error:
                raise away(name, error) from error
            found = self._judges[name] = Judge(name, config, engine, self.spending, cache)
        found.engine.bank = self.bank
        return found

    def who(self, name: str) -> dict[str, Any]:
        """Who a judge is; a server's own name for its model is known once the judge was opened."""
        config = self.judge_config(name)
        if not isinstance(config.engine, EndpointConfig):
            return identity(config, self.ref(config.model))
        ref = self.seed if config.engine.serves == "seed" else None
        return identity(config, ref, getattr(self._engines.get(name), "model", None))

    def named(self, name: str) -> dict[str, Any]:
        """Who a judge is as the recipe names it: no server is asked."""
        config = self.judge_config(name)
        served = isinstance(config.engine, EndpointConfig)
        return identity(config, None if served else self.ref(config.model))

    def close(self) -> None:
        """Write what is to be kept, and free the models that were opened."""
        try:
            for judge in self._judges.values():
                judge.close()
        finally:
            self._judges.clear()
            for engine in self._engines.values():
                engine.close()
            self._engines.clear()


@contextmanager
def opened(context: StageContext, bank: ImageBank, keeps: bool = True) -> Iterator[Tools]:
    """The tools of a running stage, for `bank`'s pictures; without `keeps` nothing is written to the store."""
    config: VerifyConfig = context.round.recipe.verify
    draw = derived_seed(context.round.salt, "verify")
    tools = Tools(context.store, bank, context.round.seed, config.judges, context.round.models, draw, keeps)
    try:
        yield tools
    finally:
        tools.close()
