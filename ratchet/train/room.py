"""How much memory there is and how much is in use: of this process's GPU, or of this machine within its cgroup."""

from __future__ import annotations

import os
from pathlib import Path


def gpu_bytes() -> int:
    """All memory of this process's GPU."""
    import torch

    return int(torch.cuda.mem_get_info()[1])


def holding(device: str, processes: int = 1) -> tuple[int, int]:
    """(bytes that this process holds, those and its part of what is free) on its GPU, or on this machine within its cgroup.

    Processes share a machine, not a GPU. A dry run says how many it stands for; of a launcher's, the environment does.
    """
    if device == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info()
        held = torch.cuda.memory_reserved()
        return held, free + held
    held = resident()
    sharing = max(int(os.environ.get("LOCAL_WORLD_SIZE", "1")), processes)
    # The others of a dry run are not there yet, and each will hold as much as this one before its first step.
    coming = max(processes - 1, 0) * held
    return held, held + max(min(_available(), _cgroup_left()) - coming, 0) // sharing


class Peak:
    """The most memory that was in use since this was made: on a GPU by tensors, else by this process."""

    def __init__(self, device: str) -> None:
        self._gpu = device == "cuda"
        self._measurable = True
        if self._gpu:
            import torch

            torch.cuda.reset_peak_memory_stats()
            return
        try:
            # Linux: sets VmHWM back to what is in memory now.
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            self._measurable = False

    def bytes(self) -> int | None:
        """None where the system does not let it be measured."""
        if self._gpu:
            import torch

            return int(torch.cuda.max_memory_allocated())
        return status("VmHWM") if self._measurable else None


def resident() -> int:
    """Bytes of this process that are in memory."""
    return status("VmRSS")


def status(name: str) -> int:
    """Bytes that Linux says of this process, such as VmRSS."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def _available() -> int:
    line = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable:"))
    return int(line.split()[1]) * 1024


def _cgroup_left() -> int:
    """Bytes left in this process's cgroup (version 2 or 1); very many where it has no limit."""
    for most, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        try:
            limit, now = Path(most).read_text().strip(), Path(used).read_text().strip()
        except OSError:
            continue
        if limit != "max":
            return max(int(limit) - int(now), 0)
    return 1 << 62
