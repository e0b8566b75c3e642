"""`python -m loadtest.bench_fanout`: one broadcast to everybody; ends with one line of JSON.

For each N the directory holds exactly N people, all connected with the product's own client, and a few broadcasts go
to `everyone` one after the other. The first opens people's streams in its lane; the median of the later ones counts.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

from loadtest import options
from loadtest.measure import CpuMeter, LaneMetrics, spread
from loadtest.outcome import outcome_of, shared_figures, verify, wait_for_receipts
from loadtest.report import finish
from loadtest.running import say, target
from loadtest.seed import people_rows, store
from loadtest.sender import Sender, order
from loadtest.teams import FIRST_POST

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from loadtest.clients import Clients
    from loadtest.outcome import Outcome
    from loadtest.running import Target

DEADLINE_S = 60.0
SETTLE_S = 62.0
CONNECTS_PER_S_LEAST = 25.0
"""How slow connecting may be before it counts as stuck."""


def main() -> int:
    """Run the command."""
    parser = options.parser(__doc__)
    parser.set_defaults(ack="2-10")
    parser.add_argument("--n", default="1000,5000,10000", help="connected people, or several such numbers")
    parser.add_argument("--rounds", type=int, default=4, help="broadcasts for each N; the first warms up")
    parser.add_argument("--priority", default="critical")
    parser.add_argument("--settle", type=float, default=SETTLE_S, help="seconds from an import to its first broadcast")
    arguments = parser.parse_args()
    sizes = sorted({int(size) for size in arguments.n.split(",")})
    with target(arguments) as system, options.fleet(system, arguments) as clients:
        return _measure(system, clients, sizes, arguments)


def _measure(system: Target, clients: Clients, sizes: Sequence[int], arguments: argparse.Namespace) -> int:
    began, people, runs, curves = time.time(), list[str](), [], {}
    for size in sizes:
        new = [f"E{number:05}" for number in range(len(people), size)]
        store(system, people_rows(new))
        imported_at = time.monotonic()
        clients.connect(new, timeout_s=30 + len(new) / CONNECTS_PER_S_LEAST)
        people += new
        _wait_until_settled(imported_at, arguments.settle)
        rounds = [_round(system, clients, people, arguments) for _ in range(max(1, arguments.rounds))]
        runs.append(_summary(size, [figures for figures, _ in rounds]))
        curves[f"{size} people"] = rounds[-1][1].received_ms
    verdict = verify(system, began, DEADLINE_S)
    result = {"bench": "fanout", "priority": arguments.priority, "ack": arguments.ack, "runs": runs}
    result |= {name: sum(run[name] for run in runs) + verdict["totals"][name] for name in ("lost", "duplicates")}
    return finish(result | {"verify_clean": verdict["clean"]}, curves, arguments.artifacts)


def _wait_until_settled(imported_at: float, settle_s: float) -> None:
    """Wait until nobody counts as changed: who did so within the last minute is on two pages, and posted to twice."""
    left_s = imported_at + settle_s - time.monotonic()
    if left_s > 0:
        say(f"waiting {left_s:.0f} s until nobody counts as new")
        time.sleep(left_s)  # the product's own span (audiences.sql: everyone_changed); nothing tells its end


def _round(
    system: Target, clients: Clients, people: Sequence[str], arguments: argparse.Namespace
) -> tuple[dict[str, Any], Outcome]:
    """One broadcast to everyone, measured until the last receipt; then the acks, on their own account."""
    pids = {**system.pids(), **clients.pids, "bench": os.getpid()}
    metrics, before, meter, began = LaneMetrics(system.logs), clients.received, CpuMeter(pids), time.time()
    sender = Sender(system, threads=1)
    sender.send([order(0, {"type": "everyone"}, arguments.priority, people)])
    if not sender.sent:
        raise SystemExit(f"the broadcast was refused: {sender.refused}")
    wait_for_receipts(clients, sender.sent, before, DEADLINE_S)
    cpu_s = meter.used_s()
    # The acks come over a span that the clients draw from; what they cost is not part of the way out.
    time.sleep(options.acked_after_s(arguments))
    whole_s = meter.used_s()
    receipts = clients.collect()
    outcome = outcome_of(sender.sent, receipts)
    figures = {
        **shared_figures(clients, receipts, outcome),
        "last_ms": round((outcome.last_at - sender.sent[0].created_at) * 1000, 1),
        "first_post_ms": spread(metrics.values(FIRST_POST)[FIRST_POST]),
        "cpu_s": cpu_s,
        "cpu_total_s": round(sum(cpu_s.values()), 2),
        "after_cpu_s": {name: round(whole_s[name] - cpu_s[name], 2) for name in whole_s},
        "seconds": round(time.time() - began, 1),
    }
    say(f"{len(people)} people: {figures['receipts']} receipts, the last after {figures['last_ms']:.0f} ms")
    return figures, outcome


def _summary(size: int, rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The figures of one N: the round with the median last receipt, and what all rounds lost."""
    counted = rounds[1:] or rounds
    middle = statistics.median_low([figures["last_ms"] for figures in counted])
    chosen = next(figures for figures in counted if figures["last_ms"] == middle)
    received = chosen["accepted_to_received_ms"]
    sums = {name: sum(figures[name] for figures in rounds) for name in ("lost", "gaps")}
    # The counters of the fleet grow over the rounds: the latest one holds them all.
    latest = {name: rounds[-1][name] for name in ("duplicates", "dropped_duplicates", "reconnects", "recovered")}
    return {
        "n": size,
        "p50_ms": received["p50"],
        "p99_ms": received["p99"],
        "last_ms": chosen["last_ms"],
        "last_ms_each_round": [figures["last_ms"] for figures in rounds],
        **sums,
        **latest,
        "first_post_ms": chosen["first_post_ms"]["p50"],
        "cpu_total_s": chosen["cpu_total_s"],
        "cpu_s": chosen["cpu_s"],
        "after_cpu_s": chosen["after_cpu_s"],
    }


if __name__ == "__main__":
    sys.exit(main())
