"""What the dead-letter queues' consumer does: nobody loses the event, and the sender sees what went wrong."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from carillon.errors import CarillonError, OutageError, PoisonError
from carillon.flow import audience
from carillon.flow.record import record
from carillon.model import PAGED_AUDIENCES, Broadcast, BroadcastState
from carillon.names import Metric
from carillon.policy import batching, messages, retry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carillon.ports import Message, Ports

_LOG = logging.getLogger(__name__)
_EXHAUSTED = "received too often"


def dead_letter(batch: Sequence[Message], ports: Ports) -> list[str]:
    """Record the deliveries first, then mark what is undelivered `failed`: it is still served on resume.

    Returns:
        Ids of the messages that must stay, because a store is away.
    """
    failed = []
    for message in batch:
        try:
            _bury(message, ports)
        except OutageError as error:
            _LOG.warning("dead letter %s waits out an outage: %s", message.message_id, error)
            delay_s = retry.outage_delay_s(message.lane, message.receive_count, ports.jitter())
            ports.queue.delay([message], delay_s)
            failed.append(message.message_id)
    return failed


def _bury(message: Message, ports: Ports) -> None:
    reason = message.reason or _EXHAUSTED
    now = ports.clock()
    ports.deliveries.dead_letter(message, reason, now)
    ports.metrics.count(Metric.DEAD_LETTERED, lane=message.lane)
    broadcast = ports.broadcasts.get(message.broadcast_id) if message.broadcast_id else None
    if broadcast is None:
        return
    _record(broadcast, message, ports)
    ports.deliveries.fail(broadcast.broadcast_id, reason, now)
    ports.broadcasts.finish(broadcast.broadcast_id, BroadcastState.FAILED, failure=reason)


def _record(broadcast: Broadcast, message: Message, ports: Ports) -> None:
    now = ports.clock()
    try:
        people = audience.resolve(broadcast, _users(broadcast, message), ports, now)
        for part in batching.cut(people, batching.LARGEST):
            record(broadcast, audience.want(broadcast, part, now), ports, now)
    except OutageError:
        raise
    except CarillonError as error:
        _LOG.warning("dead letter %s: its deliveries cannot be recorded: %s", message.message_id, error)


def _users(broadcast: Broadcast, message: Message) -> tuple[str, ...] | None:
    """The people of the message as far as it can be read; None means the broadcast's whole audience."""
    try:
        parsed = messages.decode(message.body)
    except PoisonError:
        parsed = None
    if isinstance(parsed, messages.Deliver):
        return parsed.users
    return () if broadcast.audience.type in PAGED_AUDIENCES else None
