"""Writes what the API counted, every few seconds and once more at the end, whether it relays or not."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_LOG = logging.getLogger(__name__)
INTERVAL_S: Final = 10.0
"""CloudWatch keeps minutes; a line of log costs money."""
_STOP_S: Final = 1.0


class Measures:
    """A thread that calls `flush` every `interval_s`."""

    def __init__(self, flush: Callable[[], None], interval_s: float = INTERVAL_S) -> None:
        self._flush = flush
        self._interval_s = interval_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="measures", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and write what is left."""
        self._stopping.set()
        self._thread.join(_STOP_S)
        self._write()

    def _run(self) -> None:
        while not self._stopping.wait(self._interval_s):
            self._write()

    def _write(self) -> None:
        try:
            self._flush()
        except Exception:  # noqa: BLE001 - without numbers the API still serves
            _LOG.exception("metrics could not be written")
