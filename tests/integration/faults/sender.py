"""A sender as a sensible program is one: bounded, and when told 503 it waits as told and sends the same again."""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections import defaultdict
from typing import TYPE_CHECKING, Self

import httpx

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.integration.faults.stage import Stage, Wedding

THREADS = 4
PATIENCE_S = 60.0
"""Longest time for which one request is tried again; longer than any outage that a test makes."""


class Sender:
    """Sends to weddings in turn until it is stopped, and notes what was accepted and what it was told otherwise.

    Args:
        stage: The system.
        weddings: To whom.
        lanes: With which priorities, in turn.
    """

    def __init__(self, stage: Stage, weddings: Sequence[Wedding], lanes: Sequence[str] = ("normal",)) -> None:
        self.accepted: dict[str, list[str]] = defaultdict(list)
        self.refused: list[httpx.Response] = []
        self.cut_off = 0
        self._stage = stage
        self._turns = zip(itertools.count(), itertools.cycle(itertools.product(weddings, lanes)))
        self._headers = stage.headers(ttl_s=3600)
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._errors: list[BaseException] = []
        self._pause_s = 0.0
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def run_for(self, seconds: float, *, pause_s: float = 0.0) -> None:
        """Send for so long, each thread with a pause after each, and come to an end."""
        self.start(pause_s=pause_s)
        self._over.wait(seconds)
        self.stop()

    def start(self, *, pause_s: float = 0.0) -> None:
        """Begin to send."""
        self._pause_s = pause_s
        self._threads = [threading.Thread(target=self._guard, name=f"sender {n}") for n in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin no new request; those under way are seen through."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    @property
    def everything(self) -> list[str]:
        """All ids that were accepted."""
        return [broadcast_id for ids in self.accepted.values() for broadcast_id in ids]

    def accepted_of(self, wedding: Wedding) -> list[str]:
        """The ids accepted for a wedding."""
        return self.accepted[wedding.wedding_id]

    def _guard(self) -> None:
        try:
            with httpx.Client(base_url=self._stage.system.api_url, timeout=20) as http:
                while not self._over.is_set():
                    self._send_next(http)
                    self._over.wait(self._pause_s)
        except BaseException as error:  # noqa: BLE001 - raised by `stop`, in the test's own thread
            self._errors.append(error)

    def _send_next(self, http: httpx.Client) -> None:
        with self._lock:
            number, (wedding, lane) = next(self._turns)
        document = {
            "audience": wedding.audience,
            "priority": lane,
            "kind": "wedding",
            "name": "timeline.shifted",
            "data": {"number": number},
        }
        headers = self._headers | {"Idempotency-Key": str(uuid.uuid4())}
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            pause_s = self._try(http, document, headers, wedding)
            if pause_s is None:
                return
            time.sleep(pause_s)
        raise AssertionError(f"not accepted within {PATIENCE_S:g} s; last told {self.refused[-1:]}")

    def _try(self, http: httpx.Client, document: object, headers: dict[str, str], wedding: Wedding) -> float | None:
        """Send once; None when it was accepted, else how long to wait before sending the same again."""
        try:
            answer = http.post("/v1/broadcasts", json=document, headers=headers)
        except httpx.TransportError:
            # The API died under us. It may have accepted: the same key finds out.
            self.cut_off += 1
            return 0.2
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            self.refused.append(answer)
            return float(answer.headers["Retry-After"])
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        self.accepted[wedding.wedding_id].append(answer.json()["id"])
        return None
