"""`python -m loadtest.bench_connect`: N clients connect and subscribe; ends with one line of JSON.

Tells how many a second become subscribed, how long that takes one of them, what the gateway holds per connection, and
what it costs to do nothing with all of them. At the end one broadcast shows that everybody is really there.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

from carillon.protocol.session import PING_MS
from loadtest import options
from loadtest.clients import QUOTA_PER_S
from loadtest.measure import CpuMeter, spread
from loadtest.outcome import outcome_of, shared_figures, wait_for_receipts
from loadtest.proc_usage import resident_kb
from loadtest.report import finish
from loadtest.running import say, target
from loadtest.seed import people_rows, store
from loadtest.sender import Sender, order

if TYPE_CHECKING:
    import argparse

    from loadtest.clients import Clients
    from loadtest.running import Target

LEAST_PER_S = 25.0
"""How slow connecting may be before it counts as stuck."""
DEADLINE_S = 60.0
PING_S = PING_MS / 1000


def main() -> int:
    """Run the command."""
    parser = options.parser(__doc__)
    parser.set_defaults(ack="2-10")
    parser.add_argument("--n", type=int, default=10_000, help="clients")
    parser.add_argument("--rate", type=float, default=QUOTA_PER_S, help="new connections a second at most")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long the idle gateway is watched")
    parser.add_argument("--idle-from", type=float, default=PING_S, help="seconds after the first connection")
    arguments = parser.parse_args()
    with target(arguments) as system, options.fleet(system, arguments, per_s=arguments.rate) as clients:
        return _measure(system, clients, arguments)


def _measure(system: Target, clients: Clients, arguments: argparse.Namespace) -> int:
    people = [f"C{number:05}" for number in range(arguments.n)]
    store(system, people_rows(people))
    gateway = system.pids()["gateway"]
    meter, before_kb = _meter(system, clients), resident_kb(gateway)
    took_s = clients.connect(people, timeout_s=30 + arguments.n / LEAST_PER_S)
    cpu_s, after_kb = meter.used_s(), resident_kb(gateway)
    subscribe_ms = [seconds * 1000 for seconds in clients.collect().subscribe_s]
    say("waiting until the pings of all clients have begun")
    time.sleep(max(0.0, arguments.idle_from - took_s))  # idle means pinging: the clients' own schedule is waited for
    idle = _idle(system, clients, arguments.seconds)
    result = {
        "bench": "connect",
        "n": arguments.n,
        "seconds": round(took_s, 1),
        "connects_per_s": round(arguments.n / took_s, 1),
        "connect_to_subscribed_ms": spread(subscribe_ms),
        "cpu_ms_per_connect": {name: round(used / arguments.n * 1000, 3) for name, used in cpu_s.items()},
        "kb_per_connection": round((after_kb - before_kb) / arguments.n, 1),
        "waits": clients.waits,
        **idle,
        **_broadcast(system, clients, people),
    }
    return finish(result, {"connect to subscribed": subscribe_ms}, arguments.artifacts)


def _meter(system: Target, clients: Clients) -> CpuMeter:
    return CpuMeter({**system.pids(), **clients.pids, "bench": os.getpid()})


def _idle(system: Target, clients: Clients, seconds: float) -> dict[str, Any]:
    """The share of a core that each component takes while nothing is sent; pings go on, as they always do."""
    say(f"watching the idle system for {seconds:g} s")
    meter, began = _meter(system, clients), time.monotonic()
    time.sleep(seconds)  # the span itself is what is measured
    used, took_s = meter.used_s(), time.monotonic() - began
    shares = {name: round(value / took_s * 100, 2) for name, value in used.items()}
    return {"idle_gateway_percent_of_core": shares["gateway"], "idle_percent_of_core": shares}


def _broadcast(system: Target, clients: Clients, people: list[str]) -> dict[str, Any]:
    """One broadcast to everybody: who is connected gets it."""
    before, sender = clients.received, Sender(system, threads=1)
    sender.send([order(0, {"type": "everyone"}, "normal", people)])
    wait_for_receipts(clients, sender.sent, before, DEADLINE_S)
    receipts = clients.collect()
    return shared_figures(clients, receipts, outcome_of(sender.sent, receipts))


if __name__ == "__main__":
    sys.exit(main())
