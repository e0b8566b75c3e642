"""Runs several flows side by side, one port call at a time, in an order that the test chooses."""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from carillon.ports import Ports

WAIT_S = 10.0
STEPPED = ("broadcasts", "audiences", "deliveries", "connections", "index", "inbox", "queue", "poster")


class Actor:
    """A flow in a thread of its own that stops before each of its port calls."""

    def __init__(self, name: str, run: Callable[[Ports], object], ports: Ports) -> None:
        self.name = name
        self.finished = False
        self.error: BaseException | None = None
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        stepped = {port: _Stepped(getattr(ports, port), self._pause) for port in STEPPED}
        self._thread = threading.Thread(
            target=self._work, args=(run, dataclasses.replace(ports, **stepped)), daemon=True
        )
        self._thread.start()
        self._wait()

    def _work(self, run: Callable[[Ports], object], ports: Ports) -> None:
        try:
            run(ports)
        except BaseException as error:  # noqa: BLE001 - handed to the test
            self.error = error
        finally:
            self.finished = True
            self._stopped.release()

    def _pause(self) -> None:
        self._stopped.release()
        assert self._go.acquire(timeout=WAIT_S)

    def _wait(self) -> None:
        assert self._stopped.acquire(timeout=WAIT_S), f"{self.name} does not come to its next step"

    def step(self) -> None:
        """Let it make one port call."""
        if not self.finished:
            self._go.release()
            self._wait()
        if self.error is not None:
            raise self.error


class _Stepped:
    def __init__(self, port: object, pause: Callable[[], None]) -> None:
        self._port, self._pause = port, pause

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._port, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self._pause()
            return method(*arguments, **named)

        return call


def run(actors: Sequence[Actor], order: Sequence[int]) -> None:
    """Step the actors in this order (numbers of actors), then all that are left to their ends."""
    for number in order:
        actors[number % len(actors)].step()
    for actor in actors:
        for _ in range(1000):
            if actor.finished:
                break
            actor.step()
        assert actor.finished


def orders(first: int, second: int) -> Iterator[list[int]]:
    """All ways to merge `first` steps of actor 0 with `second` steps of actor 1."""
    if not first or not second:
        yield [0] * first + [1] * second
        return
    for rest in orders(first - 1, second):
        yield [0, *rest]
    for rest in orders(first, second - 1):
        yield [1, *rest]
