"""One model's part of a round's evaluation: the holdout, the suites, where asked its weaknesses, with one engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

from ratchet.artifacts import Artifact, ArtifactWriter, ImageBank, ModelRef
from ratchet.evaluate.measuring import SHARD_ROWS, answers, sampler_of, subset
from ratchet.evaluate.outcomes import ModelRole, Outcome
from ratchet.evaluate.remembering import Remembering, Spent, identity
from ratchet.evaluate.scoring import score
from ratchet.evaluate.suites.asking import Exam, Sitting
from ratchet.generate.engine import Engine
from ratchet.generate.resuming import chunks
from ratchet.recipe import EvaluateConfig
from ratchet.records import Prompt
from ratchet.stage import StageContext
from ratchet.verify.environments import for_prompts

ROLES: tuple[ModelRole, ...] = get_args(ModelRole)


class Examination:
    """Shards `first` and on. The model is loaded when a shard needs it, and let go at the end."""

    def __init__(
        self,
        context: StageContext,
        writer: ArtifactWriter[Outcome],
        holdout: Artifact[Prompt],
        role: ModelRole,
        model: ModelRef,
        first: int,
        exams: Sequence[Exam] = (),
    ) -> None:
        self._context, self._writer, self._holdout = context, writer, holdout
        self._role, self._model, self._first, self._exams = role, model, first, exams
        self._config: EvaluateConfig = context.config
        self._bank = ImageBank(context.store, holdout.manifest.packs)
        self._engine = self._remembering()
        self._verifiers = for_prompts(self._bank)
        self._sampled = subset(_ids(holdout), self._config.pass_at_k, context.round.salt)
        self._k = self._config.pass_at_k.k if self._config.pass_at_k else 0
        own = holdout.manifest.rows + self._k * len(self._sampled)
        self._each = own + sum(exam.answers for exam in exams)
        self._done = self._each * ROLES.index(role)
        self.holdout = range(first, first + -(-holdout.manifest.rows // SHARD_ROWS))
        self.sittings: dict[str, Sitting] = {}

    @property
    def spent(self) -> Spent:
        """What this try has asked so far."""
        return self._engine.spent

    def run(self) -> int:
        """Measure what is missing; the number of the first shard after this part."""
        try:
            index = self._held_out()
            for exam in self._exams:
                index = self._sit(exam, index)
            if self._config.weakness:
                self._weakness()
            return index
        finally:
            self._engine.close()

    def _held_out(self) -> int:
        index = self._first
        for prompts in chunks(self._holdout.rows(), SHARD_ROWS):
            if self._writer.finished(index) is None:
                self._shard(index, prompts)
            else:
                self._advance(len(prompts) + self._k * sum(p.id in self._sampled for p in prompts))
            index += 1
        return index

    def _shard(self, index: int, prompts: list[Prompt]) -> None:
        context = self._context
        context.check_lease()
        with context.clock("sample"):
            greedy, sampled = answers(self._engine, prompts, self._sampled, self._config, context.round.salt)
        with context.clock("score"):
            outcomes = score(greedy, sampled, self._role, context.round.recipe.verify.timeout_seconds, self._verifiers)
        with context.clock("write"):
            context.check_lease()
            self._writer.write(index, outcomes)

    def _sit(self, exam: Exam, first: int) -> int:
        self._engine.bank = exam.prepared.bank
        sitting = Sitting(
            exam, self._writer, self._role, first, lambda: self._engine, self._context.check_lease, self._advance
        )
        self.sittings[exam.name] = sitting
        with self._context.clock("suites"):
            return sitting.run()

    def _weakness(self) -> None:
        """With the same engine: the model is there already."""
        from ratchet.weakness.measuring import in_round

        with self._context.clock("weakness"):
            in_round(self._context, self._model, self._engine)

    def _remembering(self) -> Remembering:
        context, config = self._context, self._config

        def start() -> Engine:
            with context.clock("load"):
                return sampler_of(context.store, self._model, self._bank, config, self._advance)

        who = identity(config.engine, self._model.digest, config.dtype)
        kept = context.store if config.cache else None
        return Remembering(start, self._bank, self._model.label, kept, who, self._advance)

    def _advance(self, completions: int) -> None:
        # Two questions of a suite may be one prompt, which is asked once.
        self._done = min(self._done + completions, self._each * (ROLES.index(self._role) + 1))
        self._context.progress(self._done, self._each * len(ROLES), "answers", self._role)


def _ids(holdout: Artifact[Prompt]) -> Iterator[tuple[str, str]]:
    for table in holdout.tables():
        yield from zip(table.column("id").to_pylist(), table.column("skill").to_pylist(), strict=True)
