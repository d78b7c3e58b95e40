"""A policy that is being trained, asked as the evaluation asks a model: the same engine, settings and verifiers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ratchet.artifacts import ImageBank
from ratchet.errors import TrainError
from ratchet.evaluate import metrics
from ratchet.evaluate.measuring import answers, subset
from ratchet.evaluate.scoring import score
from ratchet.generate.engines.local import TransformersEngine
from ratchet.promptset import open_part
from ratchet.recipe import EvaluateConfig, PassAtKConfig
from ratchet.records import Prompt
from ratchet.stage import StageContext
from ratchet.train.job import Validation
from ratchet.verify.environments import for_prompts


def validation(context: StageContext) -> Validation:
    """Accuracy, what the gate compares, of greedy answers to prompts of the `validation` split; never of the holdout.

    At most `train.checkpoints.items` prompts, each skill by its share, the same ones at each look of a round.
    """
    part = open_part(context.store, context.prompt_set(), "validation")
    prompts, recipe = list(part.rows()), context.round.recipe
    some = PassAtKConfig(prompts=recipe.train.checkpoints.items)
    chosen = subset(((prompt.id, prompt.skill) for prompt in prompts), some, context.round.salt)
    asked = tuple(prompt for prompt in prompts if prompt.id in chosen)
    return _Examiner(
        asked, ImageBank(context.store, part.manifest.packs), recipe.evaluate, recipe.verify.timeout_seconds
    )


@dataclass(frozen=True)
class _Examiner:
    prompts: tuple[Prompt, ...]
    bank: ImageBank
    config: EvaluateConfig
    timeout_seconds: float

    def __call__(self, model: Any, processor: Any) -> float:
        with _at_rest(model, processor) as plain:
            engine = TransformersEngine(
                "", self.bank, "policy", self.config.batch_size, device=str(plain.device), loaded=(plain, processor)
            )
            greedy, _ = answers(engine, self.prompts, (), self.config, "")
        outcomes = score(greedy, [], "candidate", self.timeout_seconds, for_prompts(self.bank))
        found = metrics.accuracy(outcomes).accuracy
        if found is None:
            raise TrainError(
                f"none of {len(outcomes)} validation answers could be scored (first: {outcomes[0].reason}), so no checkpoint "
                "can be chosen. Use prompts with references and verifiers, or set train.checkpoints.best: last."
            )
        return found


@contextmanager
def _at_rest(model: Any, processor: Any) -> Iterator[Any]:
    """The model below adapters, in evaluation mode; what asking changes of both is put back."""
    plain = model.get_base_model() if hasattr(model, "peft_config") else model
    learning, generation, side = model.training, plain.generation_config, processor.tokenizer.padding_side
    model.eval()
    processor.tokenizer.padding_side = "left"
    try:
        yield plain
    finally:
        processor.tokenizer.padding_side = side
        plain.generation_config = generation
        model.train(learning)
