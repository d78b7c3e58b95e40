"""The evaluate stage: seed (champion) and candidate on the same holdout prompts, answered and scored alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from ratchet.artifacts import Artifact, ArtifactWriter, ImageBank, Manifest, ModelRef
from ratchet.errors import ArtifactError
from ratchet.evaluate import metrics
from ratchet.evaluate.measuring import SHARD_ROWS, answers, sampler_of, subset
from ratchet.evaluate.outcomes import OUTCOMES, ModelRole, Outcome
from ratchet.evaluate.scoring import score
from ratchet.generate import Sampler
from ratchet.generate.resuming import chunks, read_back
from ratchet.promptset import open_part
from ratchet.recipe import EvaluateConfig
from ratchet.records import Prompt
from ratchet.stage import StageContext
from ratchet.verify.environments import for_prompts

ROLES: tuple[ModelRole, ...] = get_args(ModelRole)


def run(context: StageContext) -> Manifest:
    """Measure both models on the holdout. Finished shards of an earlier try are kept, whatever ended it."""
    writer = context.writer(OUTCOMES)
    finished = writer.existing()
    if finished is not None:
        return finished
    holdout = open_part(context.store, context.prompt_set(), "holdout")
    models = {"champion": context.round.seed, "candidate": candidate_of(context.parents["train"])}
    first = 0
    for role in ROLES:
        first = _Examination(context, writer, holdout, role, models[role], first).run()
    outcomes = [outcome for index in range(first) for outcome in read_back(writer, index)]
    with context.clock("metrics"):
        results = metrics.summary(outcomes)
    if context.config.weakness:
        from ratchet.weakness.measuring import after

        after(context, reversed(models.values()))
    results["models"] = {role: ref.model_dump(mode="json") for role, ref in models.items()}
    context.check_lease()
    return writer.commit(
        counts=metrics.counts(outcomes), results=results, seconds=context.seconds, packs=holdout.manifest.packs
    )


def candidate_of(train: Manifest) -> ModelRef:
    """The model that training made. Raises ArtifactError where the manifest names none."""
    made = train.results.get("model")
    if made is None:
        raise ArtifactError(f"{train.uri} names no model in results.model; run the train stage again.")
    return ModelRef.model_validate(made)


class _Examination:
    """One model's part: shards `first` and on. The model is loaded when a shard needs it, and let go at the end."""

    def __init__(
        self,
        context: StageContext,
        writer: ArtifactWriter[Outcome],
        holdout: Artifact[Prompt],
        role: ModelRole,
        model: ModelRef,
        first: int,
    ) -> None:
        self._context, self._writer, self._holdout = context, writer, holdout
        self._role, self._model, self._first = role, model, first
        self._config: EvaluateConfig = context.config
        self._sampler: Sampler | None = None
        self._bank = ImageBank(context.store, holdout.manifest.packs)
        self._verifiers = for_prompts(self._bank)
        self._sampled = subset(_ids(holdout), self._config.pass_at_k, context.round.salt)
        self._k = self._config.pass_at_k.k if self._config.pass_at_k else 0
        self._each = holdout.manifest.rows + self._k * len(self._sampled)
        self._done = self._each * ROLES.index(role)

    def run(self) -> int:
        """Measure what is missing; the number of the first shard after this part."""
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
        sampler = self._loaded()
        with context.clock("sample"):
            greedy, sampled = answers(sampler, prompts, self._sampled, self._config, context.round.salt)
        with context.clock("score"):
            outcomes = score(greedy, sampled, self._role, context.round.recipe.verify.timeout_seconds, self._verifiers)
        with context.clock("write"):
            context.check_lease()
            self._writer.write(index, outcomes)

    def _loaded(self) -> Sampler:
        if self._sampler is None:
            with self._context.clock("load"):
                self._sampler = sampler_of(self._context.store, self._model, self._bank, self._config, self._advance)
        return self._sampler

    def _advance(self, completions: int) -> None:
        self._done += completions
        self._context.progress(self._done, self._each * len(ROLES), "answers", self._role)


def _ids(holdout: Artifact[Prompt]) -> Iterator[tuple[str, str]]:
    for table in holdout.tables():
        yield from zip(table.column("id").to_pylist(), table.column("skill").to_pylist(), strict=True)
