"""`python -m loadtest.bench_latency`: how soon broadcasts to connected teams arrive; ends with one line of JSON.

Broadcasts at a steady rate go to wedding teams whose people are all connected with the product's own client. With
`--ramp` it looks for the highest rate that this machine sustains.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from loadtest import options
from loadtest.ramp import highest
from loadtest.report import finish
from loadtest.running import target
from loadtest.teams import Run, add_options, connected, run

if TYPE_CHECKING:
    import argparse

    from loadtest.clients import Clients
    from loadtest.running import Target


def main() -> int:
    """Run the command."""
    parser = options.parser(__doc__)
    add_options(parser, seconds=30.0)
    parser.add_argument("--ramp", action="store_true", help="look for the highest rate that is sustained")
    arguments = parser.parse_args()
    with target(arguments) as system, options.fleet(system, arguments) as clients:
        return _measure(system, clients, arguments)


def _measure(system: Target, clients: Clients, arguments: argparse.Namespace) -> int:
    teams = connected(system, clients, arguments)

    def measure(rate: float, seconds: float) -> Run:
        return run(system, clients, teams.orders(rate, seconds, arguments.priority))

    result = {"bench": "latency", "rate": arguments.rate, "seconds": arguments.seconds}
    result |= {"teams": teams.count, "team_size": teams.size, "priority": arguments.priority, "ack": arguments.ack}
    if arguments.ramp:
        rate, one, steps = highest(measure, arguments.rate)
        result |= {"bench": "latency-ramp", "rate": rate, "highest_sustained_per_s": rate, "steps": steps}
    else:
        one = measure(arguments.rate, arguments.seconds)
    curves = {"accepted to first post": one.first_post_ms, "accepted to received": one.outcome.received_ms}
    return finish(result | one.figures, curves, arguments.artifacts)


if __name__ == "__main__":
    sys.exit(main())
