"""Figures: percentiles, CPU time per component, and what the lanes wrote into their metrics."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of ordered values, 0 when there are none."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered), max(1, math.ceil(share * len(ordered)))) - 1]


def spread(values: Iterable[float], digits: int = 1) -> dict[str, float]:
    """p50, p95, p99 and max."""
    ordered = sorted(values)
    figures = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: round(percentile(ordered, share), digits) for name, share in figures.items()}


class CpuMeter:
    """CPU seconds per component since the meter was made; a component is a process with all its descendants.

    A descendant that has a name of its own counts there. Threads and processes that ended meanwhile are counted too.

    Args:
        roots: Component name to process id.
    """

    def __init__(self, roots: Mapping[str, int]) -> None:
        self._roots = {pid: name.replace(" ", "_") for name, pid in roots.items()}
        self._began = self._now()

    def used_s(self) -> dict[str, float]:
        """CPU seconds so far, the largest first."""
        used = {name: max(0.0, value - self._began[name]) for name, value in self._now().items()}
        return {name: round(value, 2) for name, value in sorted(used.items(), key=lambda item: -item[1])}

    def _now(self) -> dict[str, float]:
        processes = _processes()
        sums = dict.fromkeys(self._roots.values(), 0.0)
        for pid, process in processes.items():
            root = _nearest(pid, processes, self._roots)
            if root is not None:
                sums[self._roots[root]] += process.cpu_s
        return sums


class Process(NamedTuple):
    """A process: its parent, and the CPU seconds of itself and of its children that have ended."""

    parent: int
    cpu_s: float


def _processes() -> dict[int, Process]:
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in parentheses may itself hold spaces and parentheses. For the fields see proc(5).
            fields = path.read_text().rpartition(")")[2].split()
            found[int(path.parent.name)] = Process(int(fields[1]), sum(map(int, fields[11:15])) / TICKS_PER_S)
        except (OSError, IndexError, ValueError):
            continue  # it ended between the listing and the reading
    return found


def _nearest(pid: int, processes: Mapping[int, Process], roots: Mapping[int, str]) -> int | None:
    """The process itself or its nearest ancestor among `roots`."""
    for _ in range(64):
        if pid in roots:
            return pid
        if pid not in processes:
            return None
        pid = processes[pid].parent
    return None


class LaneMetrics:
    """What the consumers told CloudWatch since this was made: their logs' lines in embedded metric format.

    Args:
        logs: The folder that holds `lane-*.log`.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._from = {path: path.stat().st_size for path in self._files()}

    def _files(self) -> list[Path]:
        return sorted(self._logs.glob("lane-*.log"))

    def values(self, *names: str, lane: str = "*") -> dict[str, list[float]]:
        """All values of these metrics, of one lane if asked for."""
        found: dict[str, list[float]] = {name: [] for name in names}
        for path in self._files():
            if not path.match(f"lane-{lane}.log"):
                continue
            with path.open("rb") as file:
                file.seek(self._from.get(path, 0))
                for line in file:
                    _add(line, found)
        return found


def _add(line: bytes, found: dict[str, list[float]]) -> None:
    if not (line.startswith(b'{"_aws"') and line.endswith(b"}\n")):
        return
    document = json.loads(line)
    for name, values in found.items():
        values.extend(document.get(name, []))
