"""What a process uses, read from Linux's `/proc`."""

import os
from pathlib import Path


def cpu_s(pid: int) -> float:
    """Return the CPU seconds (user and system) the threads of process `pid` have used so far.

    Taken from `schedstat`, whose unit is the nanosecond; `stat` counts in steps of 10 ms.
    """
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text(encoding="ascii").split()[0]) for task in tasks) / 1e9


def resident_kb(pid: int) -> float:
    """Return the memory process `pid` holds now, in KB (1,024 bytes)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024
