"""Sending checkpoints in the background while training goes on.

One is under way at a time. A checkpoint that comes while the one before is still being sent is skipped: training never waits
for the store, host memory holds one snapshot at most, and all that a slow store costs is steps after a kill. One that
cannot be written (store gone, disk full, weights that are not finite) is told once and counted, the last good one stays,
and training goes on: its result does not need it.
"""

from __future__ import annotations

import json
import logging
import shutil
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors import SafetensorError
from safetensors.torch import save_file

from ratchet.errors import StoreError
from ratchet.train.checkpoints.place import Checkpoints
from ratchet.train.checkpoints.snapshot import Snapshot, not_finite

log = logging.getLogger(__name__)


class _Abandoned(Exception):
    """Training is over: nobody needs this one any more."""


class Writer:
    """Writes snapshots to `checkpoints`, of which the newest `keep` stay; `folder` is for their local files."""

    def __init__(self, checkpoints: Checkpoints, keep: int, folder: Path) -> None:
        self.written = self.failed = self.skipped = 0
        self._checkpoints, self._keep, self._folder = checkpoints, keep, folder
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._over = False

    @property
    def busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def send(self, snapshot: Snapshot) -> None:
        """Begin to write. Raises what ended the one before, where that must end training (a lost lease)."""
        self.finish()
        self._thread = threading.Thread(target=self._write, args=(snapshot,), name="ratchet-checkpoint", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait for what is under way."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def close(self) -> None:
        """Training is over: what is under way ends at its next file."""
        self._over = True
        self.finish()

    def _write(self, snapshot: Snapshot) -> None:
        try:
            self._send(snapshot)
            self.written += 1
        except _Abandoned:
            pass
        except (StoreError, OSError, SafetensorError, ValueError) as error:
            self._failed(snapshot.step, error)
        except BaseException as error:
            self._error = error

    def _send(self, snapshot: Snapshot) -> None:
        broken = not_finite(snapshot.tensors["weights"])
        if broken:
            raise ValueError(f"{len(broken)} weights are not finite (first: {broken[0]})")
        with TemporaryDirectory(dir=self._folder, prefix=f"checkpoint-{snapshot.step}-") as place:
            files = {}
            for name, tensors in snapshot.tensors.items():
                if self._over:
                    raise _Abandoned
                files[name] = Path(place) / f"{name}.safetensors"
                save_file(tensors, files[name])
            self._checkpoints.write(snapshot.step, files, json.loads(snapshot.state), self._go_on)
        self._checkpoints.prune(self._keep)

    def _go_on(self) -> None:
        if self._over:
            raise _Abandoned

    def _failed(self, step: int, error: Exception) -> None:
        self.failed += 1
        tell = log.warning if self.failed == 1 else log.info
        free = shutil.disk_usage(self._folder).free / 2**20
        tell(
            "the checkpoint of step %d is not written (%s: %s; %.0f MiB are free in %s); training goes on, "
            "the last good one stays",
            *(step, type(error).__name__, error, free, self._folder),
        )
