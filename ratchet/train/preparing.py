"""From the stage's context to a Job: the rows, the seed's folder, the random seed. Every process that trains does this."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ratchet import models
from ratchet.artifacts import GROUPS, ImageBank, Manifest
from ratchet.errors import TrainError
from ratchet.filter import reasons
from ratchet.generate.sampling import derived_seed
from ratchet.recipe import TrainConfig
from ratchet.recipe.train import RL
from ratchet.recipe.training.curriculum import CurriculumConfig
from ratchet.stage import StageContext
from ratchet.train.checkpoints import of_stage
from ratchet.train.curriculum import Known, RowOrder, grown
from ratchet.train.inputs import trained_from
from ratchet.train.job import Job, Validation
from ratchet.train.preference.rows import Row
from ratchet.train.rows import ROWS, joined

if TYPE_CHECKING:
    from datasets import Dataset

    from ratchet.train.preference.pictures import BadPictures
    from ratchet.train.rl.rewards import Rewards

_LOOSEN = "loosen filter, or sample more in generate"
ADVICE: Mapping[str, str] = {
    reasons.UNSCORED: "no verifier judged these answers; use a strategy that labels its own questions (ask, or visplay with "
    "label votes), or set verify.verifiers",
    "unreadable_question": "the model does not ask readable questions; see docs/collection.md",
    reasons.CLIPPED: "the answers were cut; raise generate.max_new_tokens",
    reasons.UNPARSED: "no verifier could read the answers; ask for the form that it reads, or set verify.verifiers",
    reasons.TOO_HARD: f"the seed hardly answers these prompts right; {_LOOSEN} (filter.min_pass_rate, generate.k)",
    reasons.TOO_EASY: f"the seed answers these prompts right already; {_LOOSEN} (filter.max_pass_rate, other prompts)",
    reasons.HELD_OUT_PROMPT: "the pool holds what the gate measures with; give prompts of other pictures",
    reasons.HELD_OUT_PICTURE: "the pool holds what the gate measures with; give prompts of other pictures",
}
"""What to do where the filter dropped most for this reason."""


def prepare(context: StageContext, scratch: Path, keeps: bool = True) -> Job:
    """Build the job of this round's training; `scratch` is a folder for its rows and for the model that comes out.

    Without `keeps` nothing is written to the store, judges' replies neither.
    """
    config: TrainConfig = context.config
    with context.clock("rows"):
        rows, order = _rows(context, config, scratch / "rows.arrow")
    config, rewards = _rewards(context, config, keeps)
    with context.clock("fetch"):
        model = trained_from(context.round)
        seed_dir = models.fetch(context.store, model)
    return Job(
        config,
        seed_dir,
        rows,
        scratch / "model",
        training_seed(context.round.salt),
        context.progress,
        order,
        checkpoints=of_stage(context),
        validation=_validation(context, config),
        rewards=rewards,
        model=model,
    )


def _rewards(context: StageContext, config: TrainConfig, keeps: bool) -> tuple[TrainConfig, Rewards | None]:
    """What RL optimises, and the configuration with the length of its completions."""
    if config.method not in RL:
        return config, None
    from ratchet.train.rl.building import resolved, rewards_of

    packs = context.open("filter", GROUPS).manifest.packs
    return resolved(config, context.round.recipe), rewards_of(context, ImageBank(context.store, packs), keeps)


def training_seed(salt: str) -> int:
    """A number of 31 bits that differs from round to round and from the salt's other uses."""
    return int.from_bytes(hashlib.sha256(f"{salt}:train".encode()).digest()[:4], "big") >> 1


def _validation(context: StageContext, config: TrainConfig) -> Validation | None:
    if config.checkpoints.best == "last":
        return None
    from ratchet.train.policy import validation

    return validation(context)


def _rows(context: StageContext, config: TrainConfig, file: Path) -> tuple[Dataset, RowOrder | None]:
    artifact = context.open("filter", GROUPS)
    known = Known(context.round.recipe.verify)
    rows = ROWS[config.method](known.noting(artifact.rows()), context.round.recipe)
    if not rows:
        counts = ", ".join(f"{name} {number}" for name, number in sorted(artifact.manifest.counts.items())) or "none"
        raise TrainError(
            f"the filter left 0 rows for {config.method} of {artifact.manifest.rows} groups (its counts: {counts}). "
            f"{_advice(artifact.manifest, config)}"
        )
    rows, order = _chosen(rows, known, context)
    bank = ImageBank(context.store, artifact.manifest.packs)
    return joined(rows, bank, file, _bad_pictures(context, config, bank)), order


def _chosen(rows: list[Row], known: Known, context: StageContext) -> tuple[list[Row], RowOrder | None]:
    """The rows that the round learns from, and their order; None where TRL is asked for one of its own."""
    config: TrainConfig = context.config
    if "train_sampling_strategy" in config.trl:
        return rows, None
    curriculum = config.curriculum or CurriculumConfig()
    facts = [known.of(row) for row in rows]
    places = grown(facts, curriculum.growth, context.round.number)
    if not places:
        share = curriculum.growth.share(context.round.number) if curriculum.growth else 1.0
        raise TrainError(
            f"train.curriculum.growth takes a share of {share:g} of the prompts in round {context.round.number}, which is none of "
            f"these {len(rows)} rows; raise its start."
        )
    chosen = tuple(facts[place] for place in places)
    seed = training_seed(context.round.salt)
    return [rows[place] for place in places], RowOrder(chosen, seed, curriculum, len(rows) - len(places))


def _bad_pictures(context: StageContext, config: TrainConfig, bank: ImageBank) -> BadPictures | None:
    if config.pictures is None or not config.pictures.needs_bad:
        return None
    # It needs numpy.
    from ratchet.train.preference.pictures import BadPictures

    return BadPictures(config.pictures, bank, derived_seed(context.round.salt, "bad_pictures"))


def _advice(filtered: Manifest, config: TrainConfig) -> str:
    """The next step, by what became of most groups."""
    dropped: Mapping[str, int] = filtered.results.get("reasons", {})
    most = max(dropped, key=lambda name: dropped[name], default=None)
    if most is None:
        return f"{_LOOSEN.capitalize()}."
    if filtered.counts.get("kept", 0) >= dropped[most]:
        return (
            f"Most groups were kept, but hold nothing for {config.method}: raise generate.k, or add generate.negatives."
        )
    if most in ADVICE:
        return f"Most were dropped as {most}: {ADVICE[most]}."
    if most in reasons.REASONS:
        return f"Most were dropped as {most} ({reasons.REASONS[most]}): {_LOOSEN}."
    return f"Most were given up in generate as {most}; `ratchet report` shows some, docs/collection.md says why."
