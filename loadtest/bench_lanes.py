"""`python -m loadtest.bench_lanes`: 30 criticals on an idle system and under a flood of `low`; one line of JSON.

The flood is 50,000 deliveries that are queued before the first critical is sent; its people are connected as well.
The same criticals, to the same connected team and at the same pace, go out idle first and then under the flood.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadtest import options
from loadtest.measure import CpuMeter, LaneMetrics, spread
from loadtest.outcome import outcome_of, shared_figures, verify, wait_for_receipts
from loadtest.report import finish
from loadtest.running import say, target
from loadtest.seed import store, team, wedding_rows
from loadtest.sender import Sender, order
from loadtest.teams import CONNECT_TIMEOUT_S, FIRST_POST, QUEUE_HOP

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from loadtest.clients import Clients, Receipts
    from loadtest.outcome import Outcome
    from loadtest.running import Target
    from loadtest.sender import Sent

URGENT, URGENT_SIZE = "URGENT", 50
FLOODED_WEDDINGS = 4
PACE_S = 0.2
"""Between two criticals: long enough that they do not wait for each other."""
DEADLINE_S = 300.0
COUNTED = ("receipts", "lost", "duplicates", "dropped_duplicates", "gaps", "reconnects")


def main() -> int:
    """Run the command."""
    parser = options.parser(__doc__)
    parser.add_argument("--n", type=int, default=50_000, help="low deliveries that are queued")
    parser.add_argument("--criticals", type=int, default=30)
    parser.add_argument("--flood-people", type=int, default=1_000, help="connected people that the flood is for")
    arguments = parser.parse_args()
    with (
        target(arguments) as system,
        options.fleet(system, arguments) as urgent,
        # The flood's phones must not take the time of the measured ones: in the world each has a processor of its own.
        options.fleet(system, arguments, nice=10, name="flood") as flood,
    ):
        return _measure(system, urgent, flood, arguments)


@dataclass(frozen=True)
class Part:
    """The criticals of one half of the comparison.

    Attributes:
        sent: What was accepted.
        waiting: Deliveries of the flood without a receipt, before the first critical was sent and after the last came.
        told: The consumers' own figures for these criticals.
        cpu_s: What each component used meanwhile.
    """

    sent: list[Sent]
    waiting: tuple[int, int]
    told: dict[str, list[float]]
    cpu_s: dict[str, float]


def _measure(system: Target, urgent: Clients, clients: Clients, arguments: argparse.Namespace) -> int:
    began = time.time()
    flooded = {f"FLOOD{number}": arguments.flood_people // FLOODED_WEDDINGS for number in range(FLOODED_WEDDINGS)}
    store(system, (row for item in (flooded | {URGENT: URGENT_SIZE}).items() for row in wedding_rows(*item)))
    urgent.connect(team(URGENT, URGENT_SIZE), timeout_s=CONNECT_TIMEOUT_S)
    clients.connect([one for item in flooded.items() for one in team(*item)], timeout_s=CONNECT_TIMEOUT_S)
    _flood(system, clients, flooded, sum(flooded.values()))
    _criticals(system, urgent, clients, 3)  # the first ones open streams and warm the workers
    urgent.collect()
    clients.collect()

    idle = _criticals(system, urgent, clients, arguments.criticals)
    before = clients.received
    low = _flood(system, clients, flooded, arguments.n, wait=False)
    queued = sum(len(one.people) for one in low)
    busy = _criticals(system, urgent, clients, arguments.criticals, flood=before + queued)
    say("waiting for the flood to pass")
    wait_for_receipts(clients, low, before, DEADLINE_S)
    critical_receipts, low_receipts = urgent.collect(), clients.collect()

    parts = {"idle": idle, "flooded": busy}
    outcomes = {name: outcome_of(part.sent, critical_receipts) for name, part in parts.items()}
    result = {"bench": "lanes", "low_queued": queued} | _compare(parts, outcomes)
    result |= _meanwhile(busy, outcomes["flooded"], low, low_receipts)
    both = [
        shared_figures(urgent, critical_receipts, outcome_of([*idle.sent, *busy.sent], critical_receipts)),
        shared_figures(clients, low_receipts, outcome_of(low, low_receipts)),
    ]
    result |= {name: both[0][name] + both[1][name] for name in COUNTED}
    verdict = verify(system, began, DEADLINE_S)
    for name in ("lost", "duplicates"):
        result[name] += verdict["totals"][name]
    curves = {f"critical, {name}": outcome.received_ms for name, outcome in outcomes.items()}
    return finish(result | {"verify_clean": verdict["clean"]}, curves, arguments.artifacts)


def _flood(
    system: Target, clients: Clients, weddings: Mapping[str, int], most: int, *, wait: bool = True
) -> list[Sent]:
    """Send `low` broadcasts as fast as they are accepted, `most` deliveries or a few more, in turn to each wedding."""
    before, sender = clients.received, Sender(system, threads=4)
    orders, queued = [], 0
    for wedding, size in itertools.cycle(weddings.items()):
        if queued >= most:
            break
        orders.append(order(0, {"type": "wedding", "wedding_id": wedding}, "low", team(wedding, size)))
        queued += size
    sender.send(orders)
    say(f"{queued} low deliveries are accepted, {clients.received - before} have arrived")
    if sender.refused or (wait and not wait_for_receipts(clients, sender.sent, before, DEADLINE_S)):
        raise SystemExit(f"the flood was not taken: {sender.refused}, {clients.received - before} receipts")
    return sender.sent


def _criticals(system: Target, urgent: Clients, clients: Clients, count: int, *, flood: int = 0) -> Part:
    """Send criticals to the urgent team, one every `PACE_S`, and wait for them.

    Args:
        system: The system.
        urgent: The fleet of the urgent team.
        clients: The fleet of the flood.
        count: How many criticals.
        flood: That fleet's receipts once the whole flood has arrived; 0 when there is none.
    """
    pids = {**system.pids(), **urgent.pids, **clients.pids, "bench": os.getpid()}
    metrics, meter, before, before_low = LaneMetrics(system.logs), CpuMeter(pids), urgent.received, clients.received
    people, audience = team(URGENT, URGENT_SIZE), {"type": "wedding", "wedding_id": URGENT}
    sender = Sender(system, threads=4)
    sender.send([order(number * PACE_S, audience, "critical", people) for number in range(count)])
    if sender.refused or not wait_for_receipts(urgent, sender.sent, before, DEADLINE_S):
        raise SystemExit(f"the criticals did not arrive: {sender.refused}, {urgent.received - before} receipts")
    waiting = (max(0, flood - before_low), max(0, flood - clients.received))
    cpu_s, told = meter.used_s(), metrics.values(FIRST_POST, QUEUE_HOP, lane="critical")
    return Part(sorted(sender.sent, key=lambda one: one.created_at), waiting, told, cpu_s)


def _compare(parts: Mapping[str, Part], outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """The two halves side by side."""
    result: dict[str, Any] = {}
    for name, part in parts.items():
        result[name] = {
            "criticals": len(part.sent),
            "accepted_to_received_ms": spread(outcomes[name].received_ms),
            "accepted_to_first_receipt_ms": spread(outcomes[name].first_ms),
            "accepted_to_first_post_ms": spread(part.told[FIRST_POST]),
            "queue_hop_ms": spread(part.told[QUEUE_HOP]),
            "answer_ms": spread((one.answered_at - one.due_at) * 1000 for one in part.sent),
            "cpu_s": part.cpu_s,
        }
    for share in ("p50", "p95"):
        pair = [result[name]["accepted_to_received_ms"][share] for name in ("idle", "flooded")]
        result[f"ratio_{share}"] = round(pair[1] / max(pair[0], 0.1), 2)
    return result


def _meanwhile(busy: Part, outcome: Outcome, low: Sequence[Sent], receipts: Receipts) -> dict[str, Any]:
    """How much of the flood arrived while the criticals did, and how much still waited at both ends."""
    began_at = busy.sent[0].created_at
    times = [at for one in low for at in receipts.by_event.get(one.broadcast_id, {}).values()]
    return {
        "low_waiting_at_first_critical": busy.waiting[0],
        "low_waiting_at_last_critical": busy.waiting[1],
        "low_received_between": sum(began_at <= at <= outcome.last_at for at in times),
        "low_last_after_s": round(max(times, default=began_at) - began_at, 1),
    }


if __name__ == "__main__":
    sys.exit(main())
