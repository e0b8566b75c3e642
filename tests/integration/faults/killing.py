"""Starts doomed consumers, and kills the living ones."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from local import product

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from local.system import System

ROOT = Path(__file__).parents[3]


def doomed(system: System, point: str, lane: str, visibility_s: int, *more: object) -> subprocess.Popen[str]:
    """Start a consumer that will die at `point`; see `tests.integration.faults.doomed`."""
    command = [sys.executable, "-m", "tests.integration.faults.doomed", point, lane, str(visibility_s)]
    return subprocess.Popen(
        [*command, *map(str, more)],
        cwd=ROOT,
        env=product.whole_environment(system.environment, system.environment),
        stdout=subprocess.PIPE,
        text=True,
    )


def last_words(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait until it is dead, by SIGKILL; broadcast id and receipt of the message that it had in its hands."""
    told, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, f"it ended with {process.returncode}, having said {told!r}"
    broadcast_id, receipt = told.split()
    return broadcast_id, receipt


@contextlib.contextmanager
def random_kills(system: System, lanes: Sequence[str], *, every_s: float, seed: int) -> Iterator[list[int]]:
    """Kill a consumer of one of these lanes again and again, for as long as the block runs; yields who was killed."""
    killed: list[int] = []
    over = threading.Event()
    chance = random.Random(seed)

    def run() -> None:
        while not over.wait(every_s):
            pids = [pid for pid in system.worker_pids(chance.choice(lanes)) if pid not in killed]
            if pids:
                killed.append(chance.choice(pids))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(killed[-1], signal.SIGKILL)

    thread = threading.Thread(target=run, name="killer")
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()
