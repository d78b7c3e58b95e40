"""What the end-to-end tests share: a round that is really promoted, and rounds in processes that can be killed."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ratchet.store import Store

# The seed model is random and the labels are the teacher, so a few steps on one skill are a gain that no gate doubts. Which
# pictures are drawn depends on the loop's name: 25 of 25 names learned it, with 8 steps at twice the rate 16 of 18 did.
LEARNING = """
name: learning
seed: 7
prompts: {pool: 36, validation: 9, holdout: 36, report: 18, skills: [exist]}
generate: {k: 1, strategy: reference, max_new_tokens: 6, rows_per_file: 12, shards: 2, batch_size: 64}
train: {max_steps: 12, batch_size: 8, learning_rate: 5.0e-3}
evaluate: {max_new_tokens: 6, pass_at_k: null}
promote: {min_items: 9, guards: {skill: null, chair_i: null, pass_at_k: null, yes_ratio: null}}
"""
CHILD_SECONDS = 240.0


def fork(work: Callable[[], object]) -> int:
    """Run `work` in a forked child that leads a process group of its own, and return its number.

    What the parent has imported need not be imported again. It must compute with one thread and have no work under way.
    """
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setpgid(0, 0)
            if torch := sys.modules.get("torch"):
                # Its pool of threads is made anew after a fork by whoever asks first. Two that ask at once (transformers
                # loads a model with several threads) can meet it half made: "Invalid thread pool!".
                torch.set_num_threads(1)
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    # Both do it: neither can know who is first.
    with suppress(PermissionError, ProcessLookupError):
        os.setpgid(pid, pid)
    return pid


def kill_group(pid: int) -> None:
    """SIGKILL a child's whole group, and collect the child."""
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def wait(pid: int, seconds: float = CHILD_SECONDS) -> int:
    """Exit code of a child. One that is not done in time is killed, and the test fails."""
    deadline = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found == pid:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            kill_group(pid)
            raise AssertionError(f"the child did not end within {seconds:.0f} s: a deadlock?")
        time.sleep(0.005)


def killed_after(work: Callable[[], object], seconds: float) -> bool:
    """Run `work` in a child and kill it after so long; whether the kill met it at work. Raises when it failed by itself."""
    pid = fork(work)
    time.sleep(seconds)
    found, status = os.waitpid(pid, os.WNOHANG)
    if found == pid:
        assert os.waitstatus_to_exitcode(status) == 0
        return False
    kill_group(pid)
    return True


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Each file below `folder` with its inode and time of writing: a file that is written again gets others."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            stat = path.stat()
            found[str(path.relative_to(folder))] = (stat.st_ino, stat.st_mtime_ns)
    return found


def objects(store: Store, prefix: str = "") -> dict[str, str]:
    """Each object below `prefix` with its etag."""
    return {store.key(one.uri): one.etag for one in store.list(prefix)}
