"""What weddings cost on top of the standing charges: each of them, from the load profile in `load.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from carillon.protocol.session import PING_MS
from stacks.cost.prices import FOLDER, Line, price

if TYPE_CHECKING:
    from collections.abc import Mapping

PING_S: Final = PING_MS / 1000
FRAMES_PER_SESSION: Final = 4
"""Connect, subscribe with its answer, disconnect."""
MILLION: Final = 1e6
GIGABYTE: Final = 1e9


@dataclass(frozen=True)
class Load:
    """What so many weddings ask for.

    Args:
        weddings: how many.
        connections: open at once per wedding, on average over its hours.
        hours: from the first guest online to the last.
        deliveries: events that reach a phone, all weddings together.
    """

    weddings: float
    connections: float
    hours: float
    deliveries: float

    @property
    def connection_hours(self) -> float:
        """All weddings together."""
        return self.weddings * self.connections * self.hours


@cache
def profile() -> dict[str, float]:
    """The profile as in the file; every number can be changed there."""
    read: dict[str, float] = json.loads((FOLDER / "load.json").read_text())
    return read


def load_of(weddings: float) -> Load:
    """The load of so many weddings: team x 10 + guests x 0.1 connections from two hours before to six after."""
    numbers = profile()
    connections = numbers["team"] * 10 + numbers["guests"] * 0.1
    deliveries = weddings * connections * numbers["broadcasts_per_wedding"]
    return Load(weddings, connections, numbers["hours_before"] + numbers["hours_after"], deliveries)


def variable(load: Load, *, architecture: str, task_hour: float, nat: bool) -> list[Line]:
    """The charges that weddings add.

    Args:
        load: how many weddings.
        architecture: of the functions.
        task_hour: what one more API task costs an hour, in USD.
        nat: whether posts leave by a NAT gateway.
    """
    numbers = profile()
    lines = [*_sockets(load, numbers), *_functions(load, numbers, architecture), *_stores(load, numbers)]
    tasks = load.connection_hours / 1000 * numbers["tasks_per_1000_connections"]
    lines.append(Line("API tasks", tasks * task_hour, f"{tasks:,.0f} task hours above the least"))
    if nat:
        gigabytes = load.deliveries * numbers["message_bytes"] / GIGABYTE
        lines.append(Line("NAT gateways", gigabytes * price("nat_gb"), f"{gigabytes:,.1f} GB of posts"))
    return lines


def _frames(load: Load, numbers: Mapping[str, float]) -> dict[str, float]:
    sessions = load.weddings * load.connections
    return {
        "pings and their answers": load.connection_hours * 3600 / PING_S * 2,
        "events": load.deliveries,
        "acks": load.deliveries * numbers["acks_per_delivery"],
        "sessions": sessions * FRAMES_PER_SESSION,
    }


def _sockets(load: Load, numbers: Mapping[str, float]) -> list[Line]:
    frames = _frames(load, numbers)
    usd = price("websocket_message_million") / MILLION
    minutes = load.connection_hours * 60
    return [
        *(
            Line(f"WebSocket: {name}", count * usd, f"{count / MILLION:,.2f} M messages")
            for name, count in frames.items()
        ),
        Line(
            "WebSocket: connections",
            minutes * price("websocket_minute_million") / MILLION,
            f"{minutes / MILLION:,.2f} M minutes",
        ),
    ]


def _functions(load: Load, numbers: Mapping[str, float], architecture: str) -> list[Line]:
    frames = _frames(load, numbers)
    invoked = frames["acks"] + frames["sessions"] + load.weddings * numbers["broadcasts_per_wedding"]
    seconds = load.deliveries / MILLION * numbers["gb_seconds_per_million_posts"]
    seconds += (frames["acks"] + frames["sessions"]) / MILLION * numbers["gb_seconds_per_million_frames"]
    usd = invoked / MILLION * price("lambda_request_million") + seconds * price("lambda_gb_second", architecture)
    queue = load.weddings * numbers["broadcasts_per_wedding"] * 3 / MILLION  # sent, taken, deleted
    return [
        Line("Functions", usd, f"{invoked / MILLION:,.2f} M calls, {seconds:,.0f} GB-s"),
        Line("Lanes", queue * price("sqs_fifo_million"), f"{queue:,.3f} M requests"),
    ]


def _stores(load: Load, numbers: Mapping[str, float]) -> list[Line]:
    acu_hours = load.connection_hours / 1000 * numbers["acu_per_1000_connections"]
    ios = load.deliveries * numbers["database_ios_per_delivery"] / MILLION
    logs = load.deliveries * numbers["log_bytes_per_delivery"]
    logs += load.weddings * load.connections * numbers["log_bytes_per_connection"]
    return [
        Line("Aurora", acu_hours * price("aurora_acu_hour"), f"{acu_hours:,.0f} ACU hours of load"),
        Line("Aurora", ios * price("aurora_io_million"), f"{ios:,.1f} M I/O requests"),
        Line("Logs", logs / GIGABYTE * price("logs_gb"), f"{logs / GIGABYTE:,.1f} GB"),
    ]


def database_gb() -> Any:
    """How much the database holds."""
    return profile()["database_gb"]
