"""The generate stage: the seed model makes data of this round's choice of pool prompts.

The prompts are split by hash into shards, which may run side by side; each is an artifact of its own below the stage's,
and `merge` makes one of them. In one process the stage runs one shard after the other and merges.
"""

from __future__ import annotations

from collections.abc import Iterator

from ratchet.artifacts import GROUPS, Artifact, ArtifactWriter, ImageBank, Manifest
from ratchet.errors import RecipeError, SamplingError
from ratchet.generate.choosing import Choice, choose, shard_of
from ratchet.generate.merging import merge, shard_header, shard_prefix
from ratchet.generate.negatives.adding import wanted
from ratchet.generate.plan import Plan, plan_of
from ratchet.generate.resuming import chunks, read_back
from ratchet.generate.running import Running
from ratchet.generate.tally import Tally, failed
from ratchet.promptset import open_part
from ratchet.recipe import GenerateConfig
from ratchet.records import Group, Prompt
from ratchet.stage import StageContext


def run(context: StageContext) -> Manifest:
    """All shards that are not finished, then the merged artifact. What an earlier try has finished is kept."""
    finished = context.writer(GROUPS).existing()
    if finished is not None:
        return finished
    config: GenerateConfig = context.config
    with Running(context) as running:
        for number in range(config.shards):
            _run_shard(context, number, running, config.shards)
    return merge(context)


def run_shard(context: StageContext, number: int) -> Manifest:
    """One shard, as a task of its own. Raises RecipeError for a number that the recipe does not have."""
    shards: int = context.config.shards
    if not 0 <= number < shards:
        raise RecipeError(f"there is no shard {number}; the recipe has {shards}: 0 to {shards - 1} (generate.shards).")
    with Running(context) as running:
        return _run_shard(context, number, running)


def _run_shard(context: StageContext, number: int, running: Running, of: int = 1) -> Manifest:
    """One shard; `of` says how many this process makes, so that it can tell how far it has come."""
    config: GenerateConfig = context.config
    writer = ArtifactWriter(context.store, shard_prefix(context, number), GROUPS, shard_header(context))
    finished = writer.existing()
    if finished is not None:
        running.skip(finished.counts["prompts"])
        return finished
    context.check_lease()
    context.seconds.clear()
    pool = open_part(context.store, context.pool_set(), "pool")
    if not pool.manifest.rows:
        raise SamplingError(
            f"the pool at {pool.manifest.uri} is empty; there is nothing to sample. Import more prompts."
        )
    plan = plan_of(context, running.tools)
    choice = chosen(context, pool, plan)
    running.start(plan, ImageBank(context.store, pool.manifest.packs), choice.prompts * of // config.shards)
    tally, errors = Tally(), Errors(config.max_error_share, choice.prompts / config.shards)
    for index, prompts in enumerate(chunks(_taken(pool, choice, number, config.shards), config.rows_per_file)):
        if writer.finished(index) is not None:
            groups = read_back(writer, index)
            running.skip(len(prompts))
        else:
            running.pictures_of(writer, index)
            groups = running.groups(prompts)
            errors.check(groups)
            with context.clock("write"):
                context.check_lease()
                running.write_pictures()
                writer.write(index, groups)
        errors.add(groups)
        tally.add(groups)
        tally.wanted += sum(wanted(group, config.negatives, running.seed) for group in groups)
    context.check_lease()
    results = {**plan.told(choice), **tally.results()}
    packs = [*pool.manifest.packs, *running.packs(writer)]
    return writer.commit(counts=tally.counts(), results=results, seconds=context.seconds, packs=packs)


def chosen(context: StageContext, pool: Artifact[Prompt], plan: Plan) -> Choice:
    """This round's choice of the pool: the same for every shard."""
    config: GenerateConfig = context.config
    most = config.prompts or context.round.recipe.prompts.pool
    return choose(pool, most, context.round.salt, plan.weights())


def _taken(pool: Artifact[Prompt], choice: Choice, number: int, shards: int) -> Iterator[Prompt]:
    for prompt in pool.rows():
        if choice.takes(prompt) and (shards == 1 or shard_of(prompt.id, shards) == number):
            yield prompt


class Errors:
    """Some prompts without an answer are reported and the round goes on; many mean that something is broken.

    `share` of the `expected` prompts may fail, and one if any may: a short file alone says nothing.
    """

    def __init__(self, share: float, expected: float) -> None:
        self._share = share
        self._most = max(1.0, share * expected) if share else 0.0
        self._expected = expected
        self._found = 0

    def add(self, groups: list[Group]) -> None:
        self._found += sum(failed(group) for group in groups)

    def check(self, groups: list[Group]) -> None:
        """Raise SamplingError if these groups are too much, before they are written."""
        bad = [group for group in groups if failed(group)]
        if self._found + len(bad) <= self._most or not bad:
            return
        said = next(c.error for c in bad[0].completions if c.error)
        raise SamplingError(
            f"{self._found + len(bad)} of about {self._expected:.0f} prompts got no answer so far, more than "
            f"generate.max_error_share {self._share:g}; the last: {said.rstrip('.')}. Mend the cause and run the stage again: finished "
            "files are kept. If the recipe is the cause (max_new_tokens, max_error_share): mend it, end this round with "
            "`ratchet cancel`, and open another with it."
        )
