"""The train stage: the filter's groups and the round's seed become a candidate model in the store.

A training that is killed goes on from its newest checkpoint, or without one from the seed, and gives bitwise the same
model on the same machine and number of threads: its random seed comes from the round's salt. `run_step`
removes its checkpoints once the manifest is there.
"""

from __future__ import annotations

from ratchet.artifacts import Manifest
from ratchet.stage import StageContext
from ratchet.train.inputs import trained_from
from ratchet.train.launchers import launcher
from ratchet.train.report import TRAIN_LOG


def run(context: StageContext) -> Manifest:
    """Train, upload the model under the loop's name, and write the log as the stage's rows.

    `results` hold the model's reference and the report without its clocks. Raises what `Trainer` raises, and LeaseLost
    before anything is uploaded.
    """
    outcome = launcher(context.launcher.kind)(context)
    report = outcome.report
    context.seconds["loop"] = report.loop_seconds
    writer = context.writer(TRAIN_LOG)
    writer.write(0, report.log)
    context.check_lease()
    return writer.commit(
        counts={"rows": report.rows, "visits": report.visits, "steps": report.steps},
        results={
            "model": outcome.model.model_dump(mode="json"),
            "trained_from": trained_from(context.round).model_dump(mode="json"),
            "report": report.outcome(),
        },
        seconds=context.seconds,
    )
