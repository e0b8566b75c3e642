"""The relay loop inside the always-on service: a thread that moves whatever has become due, round after round."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from carillon.errors import CarillonError
from carillon.flow.relay import relay
from carillon.names import Metric

if TYPE_CHECKING:
    from carillon.ports import Ports

_LOG = logging.getLogger(__name__)
_LONGEST_PAUSE_S: Final = 5.0
_STALE_S: Final = 15.0
"""A loop that has not come round for this long is stuck: its statements and sends time out well before."""
_UPKEEP_S: Final = 3600.0
_COUNT_S: Final = 60.0
"""CloudWatch keeps minutes, and 100,000 sockets are some 20 ms of the database."""
_STOP_S: Final = 1.0


class Relay:
    """Runs `flow.relay` every `interval_s`; an outage makes the pauses longer, nothing ends the loop."""

    def __init__(self, ports: Ports, interval_s: float) -> None:
        self._ports = ports
        self._interval_s = interval_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._came_round_at = time.monotonic()
        self._next_upkeep_at = 0.0
        self._next_count_at = 0.0
        self.failure: str | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the present round, or leave it to the process's end when it takes over a second."""
        self._stopping.set()
        self._thread.join(_STOP_S)

    def state(self) -> str | None:
        """What is wrong with the loop, or None."""
        age_s = time.monotonic() - self._came_round_at
        if not self._thread.is_alive():
            return "the relay loop is not running"
        return f"the relay loop has not come round for {age_s:.0f} s" if age_s > _STALE_S else self.failure

    def _run(self) -> None:
        pause_s = self._interval_s
        while not self._stopping.wait(pause_s):
            try:
                self._round()
                self.failure, pause_s = None, self._interval_s
            except CarillonError as error:
                _LOG.warning("relay: %s: %s", error.code, error.message)
                self.failure = error.message
                pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)
            except Exception as error:  # noqa: BLE001 - whatever it was, the next round must come
                _LOG.exception("relay: a round failed unexpectedly (internal)")
                self.failure = f"{type(error).__name__} in the last round"
                pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)
            self._came_round_at = time.monotonic()

    def _round(self) -> None:
        now = self._ports.clock()
        relay(self._ports, now)
        if time.monotonic() >= self._next_count_at:
            self._ports.metrics.count(Metric.CONNECTIONS_OPEN, self._ports.connections.count())
            self._next_count_at = time.monotonic() + _COUNT_S
        if time.monotonic() >= self._next_upkeep_at:
            self._ports.upkeep.purge(now)
            self._next_upkeep_at = time.monotonic() + _UPKEEP_S
