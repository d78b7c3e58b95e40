"""Lock the calling process in: resource limits, no new privileges, and a short list of system calls it may still make.

Read by `warm.py`, which runs without site-packages: nothing of ratchet is imported here. Whatever a program reaches
(ctypes, frames, machine code), it is the kernel that refuses; a call that is not on the list kills the process at once.
Works without any privilege, so also in a container that has dropped them all.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from typing import Any

COMPUTING = (
    "read",  # standard input is all there is to read, and standard output to write
    "write",
    "close",
    "brk",
    "mmap",
    "munmap",
    "mremap",
    "mprotect",
    "madvise",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sigaltstack",
    "restart_syscall",
    "clock_gettime",
    "gettimeofday",
    "getpid",
    "gettid",
    "exit",
    "exit_group",
)
EXTRA = {"svg": ("getrandom",)}
"""The renderer's hash tables draw their seeds. Programs in Python do not: what they draw must not depend on it."""
_PR_SET_PDEATHSIG = 1
_FUTEX_COMMAND, _FUTEX_WAKE = 0x7F, 1
_ENDS = (
    (resource.RLIMIT_FSIZE, 0),
    (resource.RLIMIT_NPROC, 0),
    (resource.RLIMIT_NOFILE, 0),
    (resource.RLIMIT_CORE, 0),
    (resource.RLIMIT_MEMLOCK, 0),
)


def die_with_parent() -> None:
    """The kernel kills this process when the one that made it ends."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


def lock(language: str, cpu_seconds: int, memory_bytes: int) -> None:
    """From here on: compute, read standard input, write standard output. Cannot be undone. Raises OSError."""
    import pyseccomp  # type: ignore[import-untyped]

    _set(resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 1)
    _set(resource.RLIMIT_AS, memory_bytes, memory_bytes)
    listed: Any = pyseccomp.SyscallFilter(pyseccomp.KILL_PROCESS)  # sets no_new_privs when it is loaded
    for name in (*COMPUTING, *EXTRA.get(language, ())):
        listed.add_rule(pyseccomp.ALLOW, name)
    # To wake others is idle and harmless; to wait would last for ever, for there is nobody else.
    listed.add_rule(pyseccomp.ALLOW, "futex", pyseccomp.Arg(1, pyseccomp.MASKED_EQ, _FUTEX_COMMAND, _FUTEX_WAKE))
    # abort() is how native code ends itself; no other process can be meant.
    listed.add_rule(pyseccomp.ALLOW, "tgkill", pyseccomp.Arg(0, pyseccomp.EQ, os.getpid()))
    for which, most in _ENDS:
        _set(which, most, most)
    listed.load()


def _set(which: int, soft: int, hard: int) -> None:
    _, most = resource.getrlimit(which)
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    resource.setrlimit(which, (soft, hard))
