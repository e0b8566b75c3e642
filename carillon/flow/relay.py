"""One round of the relay loop that runs in the always-on service: whatever has become due moves on."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from carillon.flow import outbox, reap
from carillon.names import Metric
from carillon.policy import messages
from carillon.policy.lanes import MAX_ESCALATIONS

if TYPE_CHECKING:
    from datetime import datetime

    from carillon.ports import Ports

_AT_ONCE: Final = 5_000
_GROUPS: Final = 500
_STUCK: Final = timedelta(minutes=30)
"""Longer than any lane takes to come to a message, short enough for a wedding day."""


def relay(ports: Ports, now: datetime) -> dict[str, int]:
    """Move due releases and escalations into the outbox, the outbox into the queues; end what is over.

    Returns:
        How many of each, for the log.

    Raises:
        OutageError: a store is away; what was not done is still due in the next round.
    """
    ports.metrics.count(Metric.OUTBOX_OLDEST_AGE, ports.broadcasts.overdue_s(now))
    done = {
        "released": ports.broadcasts.release_delayed(now, _AT_ONCE),
        "escalated": ports.broadcasts.release_escalations(now, _GROUPS, MAX_ESCALATIONS),
        "expired": ports.broadcasts.expire(now, _GROUPS),
    }
    done["revived"] = ports.broadcasts.revive(now - _STUCK)
    waiting = ports.broadcasts.waiting(now, _GROUPS)
    far = [group for group in waiting if messages.is_handover(group[0])]
    done["sent"] = sum(outbox.drain(*group, ports, now) for group in waiting if group not in far)
    # A Region that is away holds up nothing here: what is for it stays in the outbox, and the round goes on.
    done["handed_over"] = sum(outbox.send_now(*group, ports, now) for group in far)
    done["reaped"] = reap.reap(ports, now)
    return done
