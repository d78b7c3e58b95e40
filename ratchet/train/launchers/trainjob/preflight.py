"""Before a round begins: would the cluster take its TrainJob? Hours of sampling come first, and then is too late to learn it."""

from __future__ import annotations

from ratchet.errors import TrainError
from ratchet.launching import LauncherConfig
from ratchet.settings import Settings
from ratchet.train.launchers.trainjob.api import Away, connect
from ratchet.train.launchers.trainjob.jobs import Jobs
from ratchet.train.launchers.trainjob.manifest import Wanted, train_job

AWAY_SECONDS = 60.0
POLL_SECONDS = 5.0


def check(launcher: LauncherConfig, loop: str, settings: Settings) -> None:
    """Let the API server try the job without making it: rights, definition, runtime, limits of the namespace.

    Raises TrainError with what to change; also for a store that the job's pods cannot reach.
    """
    config = launcher.trainjob
    if config is None:
        return
    if not settings.root.startswith("s3://"):
        raise TrainError(
            f"RATCHET_ROOT is the folder {settings.root}, which a TrainJob's pods on other machines do not have; set it to "
            "s3://BUCKET/PREFIX, or train with launcher inprocess or torchrun."
        )
    wanted = Wanted(
        loop=loop,
        number=0,
        key="rehearsal",
        holder="",
        image=config.image or "",
        order="{}",
        attempt="",
        nodes=launcher.nodes,
        processes=launcher.processes,
        environment=config.environment,
        secrets=config.secrets,
    )
    jobs = Jobs(connect(), lambda _: None, POLL_SECONDS, AWAY_SECONDS)
    try:
        jobs.rehearse(train_job(wanted, config))
    except Away as error:
        raise TrainError(
            f"the Kubernetes API does not answer ({error}), and this profile trains as a TrainJob; run again when it is back."
        ) from error
