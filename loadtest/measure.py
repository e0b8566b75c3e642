"""Figures: percentiles, CPU time per component, and what the lanes wrote into their metrics."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from loadtest.proc_usage import cpu_s

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


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

    A descendant that has a name of its own counts there. What ended meanwhile is not counted.

    Args:
        roots: Component name to process id.
    """

    def __init__(self, roots: Mapping[str, int]) -> None:
        self._roots = {pid: _short(name) for name, pid in roots.items()}
        self._began = self._now()

    def used_s(self) -> dict[str, float]:
        """CPU seconds so far, the largest first."""
        sums = dict.fromkeys(self._roots.values(), 0.0)
        for pid, (name, seconds) in self._now().items():
            sums[name] += max(0.0, seconds - self._began.get(pid, (name, 0.0))[1])
        return {name: round(value, 2) for name, value in sorted(sums.items(), key=lambda item: -item[1])}

    def _now(self) -> dict[int, tuple[str, float]]:
        parents = _parents()
        found: dict[int, tuple[str, float]] = {}
        for pid in parents:
            root = _nearest(pid, parents, self._roots)
            if root is not None:
                found[pid] = (self._roots[root], cpu_s(pid))
        return found


def _short(name: str) -> str:
    return name.replace(" ", "_")


def _parents() -> dict[int, int]:
    """Every process and its parent."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # the name in parentheses may itself hold spaces and parentheses
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            continue  # it ended between the listing and the reading
    return parents


def _nearest(pid: int, parents: Mapping[int, int], roots: Mapping[int, str]) -> int | None:
    at: int | None = pid
    for _ in range(64):
        if at is None or at in roots:
            return at
        at = parents.get(at)
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
