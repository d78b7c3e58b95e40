"""What training reads beside its parent and the round's seed, as far as the recipe asks for it: part of the stage's identity."""

from __future__ import annotations

from ratchet import canonical
from ratchet.artifacts.manifest import ModelRef
from ratchet.errors import RoundError
from ratchet.recipe.train import RL
from ratchet.rounds import Round
from ratchet.store import Store


def digests(_store: Store, opened: Round) -> dict[str, str]:
    """Content digests of the inputs, by what they are."""
    config = opened.recipe.train
    found: dict[str, str] = {}
    if config.start == "base":
        found["base"] = trained_from(opened).digest
    if config.curriculum is not None and config.curriculum.growth is not None:
        found["growth"] = str(opened.number)
    if config.method in RL:
        # Rewards are the round's own verifiers.
        judges = {source: ref.digest for source, ref in sorted(opened.models.items())}
        found["verify"] = canonical.digest([opened.recipe.verify.model_dump(mode="json"), judges])
        if config.reinforcement.longest is None:
            found["max_new_tokens"] = str(opened.recipe.generate.max_new_tokens)
    if config.checkpoints.best == "validation":
        # Looks ask as the evaluation does.
        found["evaluate"] = canonical.digest(opened.recipe.evaluate.asking)
    return found


def trained_from(opened: Round) -> ModelRef:
    """The model whose weights training begins with: the round's seed, or the loop's first one. Raises RoundError."""
    if opened.recipe.train.start == "seed":
        return opened.seed
    if opened.base is None:
        raise RoundError(
            f"round {opened.number} of loop {opened.loop} has train.start base, but names no base: an older ratchet opened it. "
            "Begin a new round."
        )
    return opened.base
