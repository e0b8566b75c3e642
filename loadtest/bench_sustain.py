"""`python -m loadtest.bench_sustain`: more than 10,000 messages a minute for five minutes; ends with one line of JSON.

Broadcasts at a steady rate go to wedding teams whose people are all connected; every receipt at a client is a message.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from loadtest import options
from loadtest.report import finish
from loadtest.running import target
from loadtest.teams import add_options, connected, run

if TYPE_CHECKING:
    import argparse

    from loadtest.clients import Clients
    from loadtest.running import Target

MINUTE_S = 60.0


def main() -> int:
    """Run the command."""
    parser = options.parser(__doc__)
    add_options(parser, seconds=300.0)
    arguments = parser.parse_args()
    with target(arguments) as system, options.fleet(system, arguments) as clients:
        return _measure(system, clients, arguments)


def _measure(system: Target, clients: Clients, arguments: argparse.Namespace) -> int:
    teams = connected(system, clients, arguments)
    one = run(system, clients, teams.orders(arguments.rate, arguments.seconds, arguments.priority))
    minutes = per_minute(sorted(at for got in one.receipts.by_event.values() for at in got.values()))
    result = {
        "bench": "sustain",
        "rate": arguments.rate,
        "seconds": arguments.seconds,
        "teams": teams.count,
        "team_size": teams.size,
        "ack": arguments.ack,
        "messages_each_minute": minutes,
        "messages_least_minute": min(minutes, default=0),
        **one.figures,
    }
    curves = {"accepted to first post": one.first_post_ms, "accepted to received": one.outcome.received_ms}
    return finish(result, curves, arguments.artifacts)


def per_minute(ordered: list[float]) -> list[int]:
    """How many of these ordered times (seconds) fall into each whole minute since the first one.

    A run that is shorter than a minute is scaled up to one.
    """
    if not ordered:
        return []
    began, span_s = ordered[0], ordered[-1] - ordered[0]
    whole = int((span_s + 1.0) // MINUTE_S)  # the last receipt of a minute comes a little before its end
    if whole == 0:
        return [round(len(ordered) / max(span_s, 1.0) * MINUTE_S)]
    counts = [0] * whole
    for at in ordered:
        minute = int((at - began) // MINUTE_S)
        if minute < whole:
            counts[minute] += 1
    return counts


if __name__ == "__main__":
    sys.exit(main())
