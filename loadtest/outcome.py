"""What became of the broadcasts that were sent: who was to get them, who did, and how soon."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from loadtest.api_calls import Api
from loadtest.measure import spread
from loadtest.running import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtest.clients import Clients, Receipts
    from loadtest.running import Target
    from loadtest.sender import Sent

_POLL_S = 0.5


@dataclass(frozen=True)
class Outcome:
    """Sent broadcasts beside their receipts.

    Attributes:
        received_ms: From acceptance to each receipt.
        first_ms: From acceptance to each broadcast's first receipt.
        last_at: When the last receipt came, in seconds since 1970.
        lost: Pairs of an accepted broadcast and a connected recipient without a receipt.
        strays: Receipts by people who were not meant.
    """

    received_ms: list[float]
    first_ms: list[float]
    last_at: float
    lost: int
    strays: int


def outcome_of(sent: Sequence[Sent], receipts: Receipts) -> Outcome:
    """Compare what was sent with what came."""
    received, first, last_at, lost, strays = [], [], 0.0, 0, 0
    for one in sent:
        got = receipts.by_event.get(one.broadcast_id, {})
        meant = set(one.people)
        lost += len(meant - got.keys())
        strays += len(got.keys() - meant)
        if got:
            times = sorted(got.values())
            received += [(at - one.created_at) * 1000 for at in times]
            first.append((times[0] - one.created_at) * 1000)
            last_at = max(last_at, times[-1])
    return Outcome(received, first, last_at, lost, strays)


def wait_for_receipts(clients: Clients, sent: Sequence[Sent], before: int, timeout_s: float) -> bool:
    """Wait until everybody has everything; False when that was not so in time.

    Args:
        clients: The fleet.
        sent: What was accepted.
        before: Receipts there were already when the sending began.
        timeout_s: How long to wait.
    """
    wanted = before + sum(len(one.people) for one in sent)
    return clients.wait_until(lambda: clients.received >= wanted, timeout_s)


def verify(target: Target, since: float, timeout_s: float) -> dict[str, Any]:
    """What `verify` says once nothing is under way any more; `clean` is False when that did not come about in time.

    Args:
        target: The system.
        since: Start of the bench, in seconds since 1970.
        timeout_s: How long to wait.
    """
    api, deadline = Api(target.api_url, target.operator_token()), time.monotonic() + timeout_s
    start = datetime.fromtimestamp(since, UTC).isoformat()
    while True:
        verdict = api.verify(start)
        if not verdict["totals"]["pending"] or time.monotonic() > deadline:
            break
        time.sleep(_POLL_S)  # verify is asked, it does not call back; a costly question, so not more often
    api.close()
    say(f"verify: {'clean' if verdict['clean'] else verdict['problems'][:3]}")
    return verdict


def shared_figures(clients: Clients, receipts: Receipts, outcome: Outcome) -> dict[str, Any]:
    """The members that every bench's line has."""
    seen = receipts.statistics
    return {
        "receipts": len(outcome.received_ms),
        "lost": outcome.lost,
        "duplicates": clients.duplicates + outcome.strays,
        "dropped_duplicates": seen.get("duplicates", 0),
        "gaps": seen.get("gaps", 0),
        "skipped": seen.get("skipped", 0),
        "reconnects": seen.get("reconnects", 0),
        "recovered": seen.get("recovered", 0),
        "accepted_to_received_ms": spread(outcome.received_ms),
        "accepted_to_first_receipt_ms": spread(outcome.first_ms),
    }
