"""The bench's side of the fleet: starts its processes, tells them whom to connect, and gathers the receipts."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import orjson

from loadtest.running import say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loadtest.fleet import AckRange
    from loadtest.running import Target

CHUNK = 1_000
IN_FLIGHT = 64
QUOTA_PER_S = 480.0
"""A little under API Gateway's 500 new connections a second, which the gateway keeps to."""


@dataclass
class Receipts:
    """What the fleet saw: per event, who was shown it when (seconds since 1970).

    Attributes:
        by_event: Event id to user id to time.
        statistics: Sums over all sessions, see `carillon.protocol.statistics.Statistics`.
        subscribe_s: How long each client took from its first attempt until it was subscribed.
    """

    by_event: dict[str, dict[str, float]] = field(default_factory=dict)
    statistics: dict[str, int] = field(default_factory=dict)
    subscribe_s: list[float] = field(default_factory=list)


class Clients:
    """A fleet in processes of its own; a context manager.

    Args:
        target: The system it connects to.
        ack_s: Between how many seconds after an event people ack; None acks as the client does by itself.
        processes: Into how many processes it is spread.
        per_s: New connections a second at most.
        nice: How far the processes stand back for others on this machine, 0 to 19.
        name: What they are called in the figures.
    """

    def __init__(
        self,
        target: Target,
        *,
        ack_s: AckRange = None,
        processes: int = 1,
        per_s: float = QUOTA_PER_S,
        nice: int = 0,
        name: str = "clients",
    ) -> None:
        self._target = target
        self._name = name
        self._folder = tempfile.TemporaryDirectory(prefix="cf-")
        self._asked = 0
        configuration = {
            "url": target.ws_url,
            "ack_s": ack_s,
            "in_flight": max(1, IN_FLIGHT // processes),
            "per_s": per_s / processes,
            "nice": nice,
        }
        self._changed = threading.Condition()
        self._fleets = [_FleetProcess(configuration, self._changed) for _ in range(processes)]

    @property
    def pids(self) -> dict[str, int]:
        """Component name to process id, for the CPU meter."""
        return {f"{self._name}_{number}": fleet.pid for number, fleet in enumerate(self._fleets)}

    @property
    def received(self) -> int:
        """Events shown so far."""
        return self._sum("received")

    @property
    def live(self) -> int:
        """Clients that are subscribed now."""
        return self._sum("live")

    @property
    def duplicates(self) -> int:
        """Events shown twice to the same person; a session that lets this happen is broken."""
        return self._sum("duplicates")

    @property
    def waits(self) -> int:
        """Times that a client had to wait before it could connect (again)."""
        return self._sum("waits")

    def _sum(self, name: str) -> int:
        return sum(fleet.status.get(name, 0) for fleet in self._fleets)

    def connect(self, user_ids: Sequence[str], *, timeout_s: float) -> float:
        """Connect these people too and wait until they are subscribed; returns the seconds that it took.

        Raises:
            SystemExit: Not all were in time.
        """
        say(f"connecting {len(user_ids)} clients")
        people = [(user_id, self._target.token(user_id)) for user_id in user_ids]
        began = time.monotonic()
        for number, fleet in enumerate(self._fleets):
            part = iter(people[number :: len(self._fleets)])
            while chunk := list(islice(part, CHUNK)):
                fleet.add(chunk)
        self._asked += len(people)
        if not self.wait_until(lambda: self.live >= self._asked, timeout_s):
            raise SystemExit(f"only {self.live} of {self._asked} clients were subscribed after {timeout_s:.0f} s")
        took_s = time.monotonic() - began
        say(f"{self._asked} clients are subscribed ({len(people) / took_s:.0f} a second)")
        return took_s

    def wait_until(self, holds: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until a condition on the fleet holds; False when it did not in time."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not holds():
                self._check()
                if not self._changed.wait(min(1.0, max(0.0, deadline - time.monotonic()))) and (
                    time.monotonic() >= deadline
                ):
                    return holds()
        return True

    def _check(self) -> None:
        if any(fleet.ended for fleet in self._fleets):
            raise SystemExit("a process of the fleet ended; what it said is above")

    def collect(self) -> Receipts:
        """Everything seen since the last time that this was called."""
        whole = Receipts()
        for number, fleet in enumerate(self._fleets):
            path = Path(self._folder.name) / f"{number}.json"
            fleet.collect(path)
            if not self.wait_until(lambda fleet=fleet: fleet.collected is not None, 60):  # type: ignore[misc]
                raise SystemExit("the fleet did not hand its receipts over within 60 s")
            _merge(whole, fleet, orjson.loads(path.read_bytes()))
            path.unlink()
        return whole

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for fleet in self._fleets:
            fleet.end()
        self._folder.cleanup()


def _merge(whole: Receipts, fleet: _FleetProcess, part: dict[str, Any]) -> None:
    for event, got in part["receipts"].items():
        users = whole.by_event.setdefault(event, {})
        users.update(zip((fleet.people[number] for number in got["who"]), got["at"], strict=True))
    whole.subscribe_s += part["subscribe_s"]
    assert fleet.collected is not None
    for name, value in fleet.collected["statistics"].items():
        whole.statistics[name] = whole.statistics.get(name, 0) + value


class _FleetProcess:
    """One process of the fleet."""

    def __init__(self, configuration: dict[str, Any], changed: threading.Condition) -> None:
        command = [sys.executable, "-m", "loadtest.fleet_process"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in: IO[bytes] = self._process.stdin
        self._changed = changed
        self.pid = self._process.pid
        self.people: list[str] = []
        self.status: dict[str, int] = {}
        self.collected: dict[str, Any] | None = None
        self.ended = False
        self._say(configuration)
        self._listener = threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        self._listener.start()

    def _say(self, document: dict[str, Any]) -> None:
        self._in.write(json.dumps(document).encode() + b"\n")
        self._in.flush()

    def _listen(self, out: IO[bytes]) -> None:
        for line in out:
            document = json.loads(line)
            with self._changed:
                if "collected" in document:
                    self.collected = document
                else:
                    self.status = document
                self._changed.notify_all()
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def add(self, people: list[tuple[str, str]]) -> None:
        """Connect these (id, token)."""
        self.people += [user_id for user_id, _ in people]
        self._say({"do": "add", "people": people})

    def collect(self, path: Path) -> None:
        """Ask for the receipts; `collected` is set once `path` holds them."""
        self.collected = None
        self._say({"do": "collect", "path": str(path)})

    def end(self) -> None:
        """End it at once: ten thousand good-byes are nobody's business."""
        self._process.kill()
        self._process.wait()
        self._listener.join(5)
        self._in.close()
        assert self._process.stdout is not None
        self._process.stdout.close()
