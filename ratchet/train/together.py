"""Several processes that train one model: which of them this is, as torch's launcher says it in the environment."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ratchet.errors import RecipeError, TrainError
from ratchet.launching import Strategy

STRATEGY = "RATCHET_STRATEGY"
"""ddp or fsdp: read by every process when it builds TRL's configuration."""
PARENT = "RATCHET_PARENT"
"""Number of the process that a worker must not outlive."""
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class World:
    """`size` processes train together; this one has `rank` of them all and `local_rank` on its machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    strategy: Strategy = "ddp"

    @property
    def first(self) -> bool:
        """Whether this process saves and reports."""
        return self.rank == 0

    @property
    def parts(self) -> int:
        """In how many parts the model's weights lie, one in each process."""
        return self.size if self.strategy == "fsdp" else 1

    def share(self, batch_size: int) -> int:
        """Rows of a batch that are this process's. Raises RecipeError when they cannot be shared evenly."""
        if batch_size % self.size:
            raise RecipeError(
                f"train.batch_size {batch_size} cannot be shared evenly by {self.size} processes; make it a multiple of "
                f"{self.size}, or change launcher.processes in the profile."
            )
        return batch_size // self.size

    def settings(self) -> dict[str, Any]:
        """What TRL's configuration needs beside the usual to train like this."""
        if self.size == 1 or self.strategy == "ddp":
            return {}
        # FSDP2, a group of parameters for each layer; what is saved is gathered whole.
        return {"fsdp": True, "fsdp_config": {"version": 2, "auto_wrap_policy": "TRANSFORMER_BASED_WRAP"}}

    def visited(self, rows: int, batch_size: int) -> int:
        """Rows of an epoch. Several processes fill the last batch up with the epoch's first rows, so that none is left without."""
        return rows if self.size == 1 else -(-rows // batch_size) * batch_size


def world(environment: Mapping[str, str] | None = None) -> World:
    """This process's place; one alone where no launcher of torch's started it."""
    env = os.environ if environment is None else environment
    if "RANK" not in env:
        return World()
    strategy: Strategy = "fsdp" if env.get(STRATEGY) == "fsdp" else "ddp"
    return World(int(env["RANK"]), int(env["WORLD_SIZE"]), int(env.get("LOCAL_RANK", "0")), strategy)


def die_with_parent(death: signal.Signals = signal.SIGKILL) -> None:
    """Get `death` when the process that started this one ends, however it ends (Linux). Ends at once if it has already.

    The variable PARENT names that process; without it nothing is done.
    """
    parent = os.environ.get(PARENT)
    if parent is None:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(death), 0, 0, 0) != 0:
        raise TrainError(
            f"this system lets no process end with its parent: {os.strerror(ctypes.get_errno())}; train on Linux, or with launcher inprocess."
        )
    # It may have ended before it was asked for.
    if os.getppid() != int(parent):
        os._exit(128 + death)
