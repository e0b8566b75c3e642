"""Sends broadcasts at a steady rate, whatever the answers take (an open loop: a slow system is not spared)."""

from __future__ import annotations

import http.client
import json
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from loadtest.api_calls import Api

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loadtest.running import Target

THREADS = 16
TICK_S = 2.0


@dataclass(frozen=True, slots=True)
class Sent:
    """A broadcast that was accepted.

    Attributes:
        broadcast_id: Its id, which is the event's id too.
        priority: Its lane.
        due_at: When it should have been sent, in seconds since 1970, like all times here.
        created_at: When the API took it; what follows is measured from here.
        answered_at: When the 202 was here.
        people: Who is to get it.
    """

    broadcast_id: str
    priority: str
    due_at: float
    created_at: float
    answered_at: float
    people: Sequence[str]


@dataclass(frozen=True, slots=True)
class Order:
    """A broadcast to be sent, `after_s` the start."""

    after_s: float
    body: dict[str, Any]
    people: Sequence[str]


def order(after_s: float, audience: dict[str, Any], priority: str, people: Sequence[str]) -> Order:
    """A small broadcast, like a timeline that moved."""
    data = {"ceremony": "15:30", "note": "the photographer is on the way"}
    body = {"audience": audience, "priority": priority, "kind": "wedding", "name": "timeline.shifted", "data": data}
    return Order(after_s, body, people)


class Sender:
    """Sends orders from threads; each has a connection of its own.

    Args:
        target: The system.
        threads: How many requests may be under way at once.

    Attributes:
        sent: What was accepted so far.
        refused: Status or error of what was not, with how often.
    """

    def __init__(self, target: Target, threads: int = THREADS) -> None:
        self._target = target
        self._token = target.operator_token()
        self._threads = threads
        self._lock = threading.Lock()
        self.sent: list[Sent] = []
        self.refused: dict[str, int] = {}

    def send(self, orders: Sequence[Order], tick: Callable[[int], None] | None = None) -> float:
        """Send all orders, each in its time; returns the seconds from the first to the last answer.

        Args:
            orders: In the order of their times.
            tick: Told every two seconds how many were answered.
        """
        left = iter(orders)
        began_at = time.time()
        workers = [
            threading.Thread(target=self._work, args=(left, began_at), daemon=True)
            for _ in range(min(self._threads, len(orders)))
        ]
        for worker in workers:
            worker.start()
        told_at = began_at
        for worker in workers:
            while worker.is_alive():
                worker.join(TICK_S)
                if tick is not None and time.time() - told_at >= TICK_S:
                    told_at = time.time()
                    tick(len(self.sent))
        return time.time() - began_at

    def _work(self, left: Any, began_at: float) -> None:
        api = Api(self._target.api_url, self._token)
        while True:
            with self._lock:
                one: Order | None = next(left, None)
            if one is None:
                api.close()
                return
            due_at = began_at + one.after_s
            # An open loop: what is sent follows the clock, not the system's answers.
            time.sleep(max(0.0, due_at - time.time()))
            self._one(api, one, due_at)

    def _one(self, api: Api, one: Order, due_at: float) -> None:
        try:
            status, answer = api.call("POST", "/v1/broadcasts", json.dumps(one.body).encode())
        except (OSError, http.client.HTTPException) as error:
            status, answer = 0, {"code": type(error).__name__}
        answered_at = time.time()
        with self._lock:
            if status != http.client.ACCEPTED:
                reason = f"{status} {answer.get('code', '')}"
                self.refused[reason] = self.refused.get(reason, 0) + 1
                return
            created_at = datetime.fromisoformat(answer["created_at"]).timestamp()
            priority = one.body["priority"]
            self.sent.append(Sent(answer["id"], priority, due_at, created_at, answered_at, one.people))
