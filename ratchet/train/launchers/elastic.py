"""torch's elastic agent in a process of its own: `python -m ratchet.train.launchers.elastic`, started by the launcher torchrun.

It starts the workers, ends them all when one fails, and dies, with them, when the stage that started it does.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from ratchet import canonical
from ratchet.records import Record
from ratchet.train import together

FAILED = "failed.json"
STOP_SECONDS = 10
OWN_STORE = "TORCH_DISABLE_SHARE_RDZV_TCP_STORE"
"""torch's switch: workers meet in a store that the first of them opens. Else it is the agent's, one for all attempts, and who
starts again may read in it the address of one that is dead, and wait for it in vain (pytorch/pytorch#135712)."""


class Ended(Record):
    """How a worker ended that failed first, before the agent ended the others: exit code, negative for a signal."""

    rank: int
    code: int


def read_ended(folder: Path) -> list[Ended]:
    """The workers that failed by themselves; [] where the agent never got so far."""
    try:
        return [Ended.model_validate(one) for one in canonical.loads((folder / FAILED).read_bytes())]
    except FileNotFoundError:
        return []


def run(order: Path, folder: Path, processes: int, restarts: int) -> int:
    """Run the workers to their end; returns 0, or 1 after saying in `folder` which of them failed."""
    from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, launch_agent

    if restarts:
        os.environ[OWN_STORE] = "1"
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id="ratchet",
        # A free port that is bound before anybody else hears of it.
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=restarts,
        logs_specs=DefaultLogsSpecs(log_dir=str(folder / "logs"), redirects=Std.ALL, tee={0: Std.ALL}),
        log_line_prefix_template="rank ${rank}: ",
        shutdown_timeout=STOP_SECONDS,
    )
    try:
        launch_agent(config, sys.executable, ["-u", "-m", "ratchet.train.worker", "--order", str(order)])
    except ChildFailedError as error:
        ended = [Ended(rank=rank, code=one.exitcode).model_dump() for rank, one in sorted(error.failures.items())]
        (folder / FAILED).write_bytes(canonical.dumps(ended))
        return 1
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Start the workers of a training and watch over them.")
    parser.add_argument("--order", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--processes", type=int, required=True)
    parser.add_argument("--restarts", type=int, required=True)
    given = parser.parse_args()
    # The agent ends its workers on SIGTERM; should it be killed, they get SIGKILL.
    together.die_with_parent(signal.SIGTERM)
    os.environ[together.PARENT] = str(os.getpid())
    return run(given.order, given.folder, given.processes, given.restarts)


if __name__ == "__main__":
    sys.exit(main())
