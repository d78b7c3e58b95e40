"""One round, one file: the only place where stages are connected.

    begin -> generate -> verify -> filter -> train -> evaluate -> promote          and, whatever happens, finish

Where the profile allows shards side by side, generate is a loop over shards and a merge.

The loop over rounds is outside: a recurring run, a trigger on promotion, or `ratchet run --rounds N`.
"""

from typing import Any

from kfp import dsl

import ratchet
from ratchet.components.begin.component import begin
from ratchet.components.evaluate.component import evaluate
from ratchet.components.filter.component import filter as filter_
from ratchet.components.finish.component import finish
from ratchet.components.generate.component import generate, generate_shard, merge
from ratchet.components.promote.component import promote
from ratchet.components.train.component import train
from ratchet.components.verify.component import verify
from ratchet.pipelines.defaults import Placed
from ratchet.profile import Profile


def round_pipeline(profile: Profile) -> Any:
    """The pipeline of one round, placed by `profile`. Compile it, or call it under kfp.local."""
    place = Placed(profile)

    @dsl.pipeline(name="ratchet-round", description="One round of self-improvement: from a seed model to a decision.")
    def ratchet_round(
        recipe: str,
        loop: str,
        seed: str = "champion",
        budget: float = 0.0,
        resume: bool = False,
        origin: str = "person",
    ) -> None:
        """One round of self-improvement: from a seed model to a decision.

        Args:
            recipe: What is learned: the name of a shipped recipe, or YAML text.
            loop: The loop whose round this is.
            seed: What the round starts from: `champion`, which begin resolves to a version, or a version's number.
            budget: Hours of a device that the round may take; 0 for what the loop's policy says.
            resume: Take the loop's last round up again if it FAILED.
            origin: Who started the run: schedules and the trigger say so themselves; leave it as it is.
        """
        job = dsl.PIPELINE_JOB_ID_PLACEHOLDER
        with dsl.ExitHandler(place(finish(job=job, loop=loop))):
            begun = place(
                begin(
                    job=job,
                    loop=loop,
                    recipe=recipe,
                    seed=seed,
                    budget=budget,
                    resume=resume,
                    origin=origin,
                    version=ratchet.__version__,
                    profile=profile.compiled,
                )
            ).outputs
            round_ = begun["opened"]
            if profile.parallelism == 1:
                groups = place(generate(opened=round_)).outputs["groups"]
            else:
                with dsl.ParallelFor(begun["Output"], parallelism=profile.parallelism) as shard:
                    made = place(generate_shard(opened=round_, shard=shard)).outputs["groups"]
                groups = place(merge(opened=round_, shards=dsl.Collected(made))).outputs["groups"]
            checked = place(verify(opened=round_, generated=groups)).outputs["groups"]
            kept = place(filter_(opened=round_, verified=checked)).outputs["groups"]
            launcher = profile.placed_launcher.model_dump_json()
            model = place(train(opened=round_, filtered=kept, launcher=launcher)).outputs["model"]
            outcomes = place(evaluate(opened=round_, trained=model)).outputs["outcomes"]
            place(promote(opened=round_, evaluated=outcomes, trained=model))

    return ratchet_round
