"""The scenario of the latency benches: broadcasts at a steady rate to wedding teams whose people are all connected."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadtest.measure import CpuMeter, LaneMetrics, spread
from loadtest.outcome import Outcome, outcome_of, shared_figures, verify, wait_for_receipts
from loadtest.running import say
from loadtest.seed import store, team, wedding_rows
from loadtest.sender import Sender, order

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from loadtest.clients import Clients, Receipts
    from loadtest.running import Target
    from loadtest.sender import Order

LANES = ("critical", "high", "normal", "low")
MIXED = "mixed"
FIRST_POST, QUEUE_HOP = "AcceptedToFirstPost", "QueueHop"
CONNECT_TIMEOUT_S = 300.0
RECEIPT_TIMEOUT_S = 30.0
VERIFY_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Teams:
    """Weddings whose whole teams are connected.

    Args:
        count: How many weddings.
        size: People in each.
    """

    count: int
    size: int

    @property
    def weddings(self) -> list[str]:
        """Their ids."""
        return [f"T{number:04}" for number in range(self.count)]

    @property
    def people(self) -> list[str]:
        """Everybody's ids."""
        return [user_id for wedding in self.weddings for user_id in team(wedding, self.size)]

    def store(self, target: Target) -> None:
        """Fill the directory."""
        store(target, (row for wedding in self.weddings for row in wedding_rows(wedding, self.size)))

    def orders(self, rate: float, seconds: float, priority: str) -> list[Order]:
        """`rate` broadcasts a second, in turn to each wedding and, if mixed, in each lane."""
        orders = []
        for number in range(max(1, round(rate * seconds))):
            wedding = self.weddings[number % self.count]
            # The lane moves on with each round too, so that no wedding keeps to one lane.
            lane = LANES[(number + number // self.count) % len(LANES)] if priority == MIXED else priority
            audience = {"type": "wedding", "wedding_id": wedding}
            orders.append(order(number / rate, audience, lane, team(wedding, self.size)))
        return orders


@dataclass(frozen=True)
class Run:
    """One measured run.

    Attributes:
        figures: For the JSON line.
        outcome: All receipts' times.
        first_post_ms: Acceptance to first post, from the consumers' metrics.
        receipts: What the fleet handed over.
    """

    figures: dict[str, Any]
    outcome: Outcome
    first_post_ms: Sequence[float]
    receipts: Receipts


def warm_up(target: Target, teams: Teams, clients: Clients) -> None:
    """One broadcast to every wedding in every lane, so that streams are open and workers warm."""
    before, sender = clients.received, Sender(target)
    for lane in LANES:
        sender.send(teams.orders(1e6, teams.count / 1e6, lane))
    if not wait_for_receipts(clients, sender.sent, before, RECEIPT_TIMEOUT_S) or sender.refused:
        raise SystemExit(f"the warm-up did not arrive: {clients.received - before} receipts, {sender.refused} refused")
    clients.collect()
    say(f"warmed up with {len(sender.sent)} broadcasts")


def run(target: Target, clients: Clients, orders: Sequence[Order]) -> Run:
    """Send the orders and gather what became of them."""
    metrics, since, before = LaneMetrics(target.logs), time.time(), clients.received
    meter = CpuMeter({**target.pids(), **clients.pids, "bench": os.getpid()})
    sender = Sender(target)
    took_s = sender.send(orders, lambda done: _progress(done, len(orders), clients.received - before))
    wait_for_receipts(clients, sender.sent, before, RECEIPT_TIMEOUT_S)
    cpu_s, whole_s = meter.used_s(), time.time() - since
    receipts = clients.collect()
    outcome = outcome_of(sender.sent, receipts)
    verdict = verify(target, since, VERIFY_TIMEOUT_S)
    told = metrics.values(FIRST_POST, QUEUE_HOP)
    sending_s = max(took_s, 1e-9)
    figures = {
        "accepted": len(sender.sent),
        "refused": sender.refused,
        "achieved_per_s": round(len(sender.sent) / sending_s, 1),
        "messages_per_minute": round(len(outcome.received_ms) / max(sending_s, outcome.last_at - since) * 60),
        "drained_s": round(max(0.0, outcome.last_at - since - took_s), 2),
        "accepted_to_first_post_ms": spread(told[FIRST_POST]),
        "queue_hop_ms": spread(told[QUEUE_HOP]),
        **shared_figures(clients, receipts, outcome),
        "answer_ms": spread((one.answered_at - one.due_at) * 1000 for one in sender.sent),
        "cpu_s": cpu_s,
        "cpu_cores": round(sum(cpu_s.values()) / whole_s, 2),
        "verify_clean": verdict["clean"],
    }
    figures["lost"] += verdict["totals"]["lost"]
    figures["duplicates"] += verdict["totals"]["duplicates"]
    return Run(figures, outcome, told[FIRST_POST], receipts)


def _progress(done: int, of: int, received: int) -> None:
    say(f"{done} of {of} accepted, {received} received")


def add_options(parser: argparse.ArgumentParser, *, seconds: float) -> None:
    """The options of a bench that sends to teams at a steady rate, by default for `seconds`."""
    parser.add_argument("--rate", type=float, default=10.0, help="broadcasts a second")
    parser.add_argument("--seconds", type=float, default=seconds, help="how long they are sent")
    parser.add_argument("--teams", type=int, default=20, help="weddings")
    parser.add_argument("--team-size", type=int, default=50, help="connected people of each")
    parser.add_argument("--priority", choices=[MIXED, *LANES], default=MIXED)


def connected(system: Target, clients: Clients, arguments: argparse.Namespace) -> Teams:
    """The teams that these options ask for: in the directory, connected, and warm."""
    teams = Teams(arguments.teams, arguments.team_size)
    teams.store(system)
    clients.connect(teams.people, timeout_s=CONNECT_TIMEOUT_S)
    warm_up(system, teams, clients)
    return teams
