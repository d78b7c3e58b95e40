"""The engine of a running generate stage: opened when the first prompts need it, closed with the stage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from ratchet import canonical, models
from ratchet.artifacts import ArtifactWriter, ImageBank, Pack, write_pack
from ratchet.generate.engine import Engine
from ratchet.generate.engines import open_engine
from ratchet.generate.negatives.adding import add_negatives
from ratchet.generate.plan import Plan
from ratchet.generate.sampling import derived_seed
from ratchet.generate.strategies import Tools, collect
from ratchet.recipe import EndpointConfig, GenerateConfig
from ratchet.records import Group, Prompt
from ratchet.stage import StageContext


class Running:
    """Makes groups for chunks of prompts, says how far it has come, and keeps the pictures that were made on the way."""

    def __init__(self, context: StageContext) -> None:
        self._context = context
        self._config: GenerateConfig = context.config
        self._engine: Engine | None = None
        self._bank: ImageBank | None = None
        self._plan = Plan()
        self._writer: ArtifactWriter[Group] | None = None
        self._total = self._done = self._made = self._index = self._part = 0
        self.seed = derived_seed(context.round.salt, "generate")

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._engine is not None:
            self._engine.close()

    def start(self, plan: Plan, bank: ImageBank, prompts: int) -> None:
        """What the next chunks are made with; `prompts` is how many there will be, about."""
        self._plan, self._bank, self._total, self._made = plan, bank, prompts, 0

    def tools(self, bank: ImageBank) -> Tools:
        """What strategies and probes work with. The engine starts when it is first asked."""
        config = self._plan.applied(self._config)
        timeout = self._context.round.recipe.verify.timeout_seconds
        return Tools(lambda: self._opened(bank), config, self.seed, timeout, bank)

    def groups(self, prompts: list[Prompt]) -> list[Group]:
        """What the recipe's strategies make of the prompts."""
        assert self._bank is not None, "start comes first"
        self._context.check_lease()
        with self._context.clock("sample"):
            tools = self.tools(self._bank)
            made = add_negatives(collect(prompts, self._config.strategy, tools), self._config.negatives, tools)
        self.skip(len(prompts))
        return made

    def skip(self, prompts: int) -> None:
        """These are made."""
        self._done += prompts
        self._made = 0
        self._tell()

    def pictures_of(self, writer: ArtifactWriter[Group], index: int) -> None:
        """Pictures that are made from now on belong to file `index`; many of them are written at once, not kept."""
        assert self._bank is not None, "start comes first"
        self._writer, self._index, self._part = writer, index, 0
        self._bank.spill = self._spill

    def write_pictures(self) -> None:
        """Write the pictures that are not written yet; called before the file's rows are."""
        assert self._bank is not None, "start comes first"
        made = self._bank.take_added()
        if made:
            self._spill(made)

    def _spill(self, made: dict[str, bytes]) -> Pack:
        assert self._writer is not None, "pictures_of comes first"
        store = self._writer.store
        key = f"{self._writer.prefix}/pictures-{self._index:05d}-{self._part:03d}.parquet"
        self._part += 1
        pack = write_pack(store, key, sorted(made.items()))
        store.put(f"{key}.json", canonical.dumps(pack.model_dump()))
        return pack

    @staticmethod
    def packs(writer: ArtifactWriter[Group]) -> Iterator[Pack]:
        """The packs of pictures made for this artifact, by this try or an earlier one."""
        for stat in writer.store.list(f"{writer.prefix}/pictures-"):
            key = writer.store.key(stat.uri)
            if key.endswith(".json"):
                yield Pack.model_validate_json(writer.store.get(key))

    def _opened(self, bank: ImageBank) -> Engine:
        if self._engine is None:
            with self._context.clock("load"):
                label = self._context.round.seed.label
                self._engine = open_engine(self._config, self._folder(), bank, label, self._advance)
        self._engine.bank = bank
        return self._engine

    def _folder(self) -> Path | None:
        if isinstance(self._config.engine, EndpointConfig):
            return None
        return models.fetch(self._context.store, self._context.round.seed)

    def _advance(self, completions: int) -> None:
        self._made += completions
        self._tell()

    def _tell(self) -> None:
        """Completions where it is known how many there will be, else prompts. A plan's probe tells for itself."""
        if not self._total:
            return
        k = self._config.plain_k
        if k is None:
            self._context.progress(min(self._done, self._total), self._total, "prompts")
        else:
            self._context.progress(min(self._done * k + self._made, self._total * k), self._total * k, "completions")
