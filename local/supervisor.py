"""Starts components in order, starts the crashed again, stops all in the reverse order."""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from local.errors import NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from local.processes import Child

LOOK_INTERVAL_S = 0.05
RESTARTS_WITHIN_S = 120.0
MAX_RESTARTS = 10
"""Within `RESTARTS_WITHIN_S`; then a component is given up, which says more than a loop of crashes."""
FIRST_BACK_OFF_S = 0.1
MAX_BACK_OFF_S = 5.0


class State(StrEnum):
    """How a component is."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    CRASHED = "crashed"
    HELD = "held down"
    GIVEN_UP = "given up"
    STOPPED = "stopped"


class Component(Protocol):
    """What can be supervised."""

    @property
    def child(self) -> Child | None:
        """The running process, if there is one."""

    def start(self) -> None:
        """Start it and return when it is ready; raises LocalError when it does not become so."""

    def stop(self) -> None:
        """Stop it; whatever its state."""

    def kill(self) -> None:
        """End its process at once."""


@dataclass
class Unit:
    """One component under supervision.

    Args:
        name: Unique.
        component: What is run.
        start_group: Units of one group start together, after those of lower groups.
        stop_group: Units of one group stop together, before those of lower groups.
    """

    name: str
    component: Component
    start_group: int
    stop_group: int
    state: State = State.WAITING
    restarts: deque[float] = field(default_factory=deque)
    due_at: float = 0.0
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        child = self.component.child
        return child.pid if child and child.alive else None


def _ignore(name: str, state: State, detail: str) -> None:
    pass


class Supervisor:
    """Keeps components running.

    Args:
        units: All of them.
        on_change: Told each change of state: name, new state and what there is to say about it. Called from several
            threads.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        units: Iterable[Unit],
        *,
        on_change: Callable[[str, State, str], None] = _ignore,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.units = {unit.name: unit for unit in units}
        self._on_change = on_change
        self._clock = clock
        self._stopping = threading.Event()
        self._stop_lock = threading.Lock()
        self._stopped = False
        self._watcher: threading.Thread | None = None
        self._executor = ThreadPoolExecutor(max_workers=max(1, len(self.units)), thread_name_prefix="component")

    def start(self) -> None:
        """Start all, group after group, and watch them from then on.

        Raises:
            LocalError: One did not start; those that did are stopped again.
        """
        try:
            for group in self._groups(lambda unit: unit.start_group):
                for started in [self._executor.submit(self._start, unit) for unit in group]:
                    started.result()
        except BaseException:
            self.stop()
            raise
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._watcher.start()

    def _groups(self, key: Callable[[Unit], int]) -> Iterator[list[Unit]]:
        for _, group in groupby(sorted(self.units.values(), key=key), key=key):
            yield list(group)

    def _start(self, unit: Unit) -> None:
        with unit.lock:
            if self._stopping.is_set():
                raise NotReadyError("stopped while starting.")
            self._set(unit, State.STARTING)
            try:
                unit.component.start()
            except BaseException:
                unit.component.stop()
                raise
            self._set(unit, State.READY)

    def _set(self, unit: Unit, state: State, detail: str = "") -> None:
        unit.state = state
        self._on_change(unit.name, state, detail)

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_INTERVAL_S):
            self.look()

    def look(self) -> None:
        """Look at every component once: note who has crashed, start again who is due."""
        for unit in self.units.values():
            if not unit.lock.acquire(blocking=False):
                continue  # somebody is starting or stopping it
            try:
                self._look_at(unit)
            finally:
                unit.lock.release()

    def _look_at(self, unit: Unit) -> None:
        child = unit.component.child
        if unit.state is State.READY and not (child and child.alive):
            status = child.exit_status if child else None
            self._crashed(unit, f"it ended with {status}" if status is not None else "it was killed")
        elif unit.state is State.CRASHED and self._clock() >= unit.due_at:
            unit.state = State.STARTING
            self._executor.submit(self._start_again, unit)

    def _crashed(self, unit: Unit, why: str) -> None:
        now = self._clock()
        while unit.restarts and unit.restarts[0] < now - RESTARTS_WITHIN_S:
            unit.restarts.popleft()
        if len(unit.restarts) >= MAX_RESTARTS:
            self._set(unit, State.GIVEN_UP, f"{why}; it was started {MAX_RESTARTS} times in {RESTARTS_WITHIN_S:g} s")
            return
        pause_s = min(MAX_BACK_OFF_S, FIRST_BACK_OFF_S * 2 ** len(unit.restarts))
        unit.restarts.append(now)
        unit.due_at = now + pause_s
        self._set(unit, State.CRASHED, f"{why}; starting it again in {pause_s:g} s")

    def _start_again(self, unit: Unit) -> None:
        with unit.lock:
            if self._stopping.is_set() or unit.state is not State.STARTING:
                return
            unit.component.stop()  # whatever the crash left of it
            try:
                self._start(unit)
            except Exception as error:  # noqa: BLE001 - told, and tried again
                self._crashed(unit, str(error))

    def kill(self, name: str, *, hold: bool = False) -> None:
        """End a component at once, as a crash would.

        Args:
            name: Which.
            hold: Leave it down until `restart`; otherwise it is started again as after any crash.
        """
        unit = self.units[name]
        with unit.lock:
            unit.component.kill()
            if hold:
                self._set(unit, State.HELD, "killed")
            else:
                self._crashed(unit, "it was killed")

    def hold(self, name: str) -> None:
        """Stop a component and leave it down until `restart`."""
        unit = self.units[name]
        with unit.lock:
            unit.component.stop()
            self._set(unit, State.HELD)

    def restart(self, name: str) -> None:
        """Stop a component where it runs, start it and wait until it is ready.

        Raises:
            LocalError: It did not start.
        """
        unit = self.units[name]
        with unit.lock:
            unit.component.stop()
            unit.restarts.clear()
            self._start(unit)

    def stop(self) -> None:
        """Stop all, group after group; whoever does not stop in time is killed. Once is enough."""
        self._stopping.set()
        with self._stop_lock:
            if not self._stopped:
                self._stop_all()
                self._stopped = True

    def _stop_all(self) -> None:
        for unit in self.units.values():
            child = unit.component.child
            if unit.state is State.STARTING and child:
                child.kill()  # whoever waits for it to become ready stops waiting
        if self._watcher and self._watcher is not threading.current_thread():
            self._watcher.join()
        for group in reversed(list(self._groups(lambda unit: unit.stop_group))):
            list(self._executor.map(self._stop, group))
        self._executor.shutdown()

    def _stop(self, unit: Unit) -> None:
        with unit.lock:
            was = unit.state
            unit.component.stop()
            if was is not State.WAITING:
                self._set(unit, State.STOPPED)
