"""Consume: what a lane's messages go through, in a straight line.

    audience -> lookup -> record -> post -> look up again -> post -> hand over -> settle

A message fails in one of two ways. In an *outage* (a store is away) it and its group's later messages come back
together after one common delay, and no delivery loses an attempt. *Poison* (it cannot be parsed, or violates a rule) is
dead-lettered at once with its reason, so that it never holds up its wedding.
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from carillon.errors import OutageError, PoisonError
from carillon.flow import audience, lookup
from carillon.flow.expand import expand
from carillon.flow.handover import elsewhere, hand_over, hand_over_escalation, unreached
from carillon.flow.post import measure, post
from carillon.flow.record import record
from carillon.flow.settle import settle
from carillon.flow.tally import Tally
from carillon.model import BroadcastState, Status
from carillon.names import Metric
from carillon.policy import batching, messages, retry
from carillon.policy.lanes import LANES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carillon.model import Broadcast, Connection, Delivery, Recipient
    from carillon.ports import Message, Ports, Recorded

_LOG = logging.getLogger(__name__)
_OWED: Final = (Status.QUEUED,)
_OWED_BY_RELAY: Final = (Status.QUEUED, Status.SENT, Status.DELIVERED, Status.FAILED)
"""Whatever somebody got in another Region, their device in this one did not get."""


def consume(batch: Sequence[Message], ports: Ports) -> list[str]:
    """Work through up to ten messages of one lane.

    Returns:
        Ids of the messages that must stay in the queue; the rest may be deleted.
    """
    groups: dict[str, list[Message]] = {}
    for message in batch:
        groups.setdefault(message.group_id, []).append(message)
    return [message_id for group in groups.values() for message_id in _consume_group(group, ports)]


def _consume_group(group: list[Message], ports: Ports) -> list[str]:
    hold = _Hold(group, ports)
    for done, message in enumerate(group):
        hold.waiting = group[done:]
        again_s = _consume_one(message, ports, hold)
        if again_s is not None:
            # The whole rest of the group: a FIFO group stays locked until the last of its messages is visible again.
            hold.release(again_s)
            return [one.message_id for one in hold.waiting]
    return []


def _consume_one(message: Message, ports: Ports, hold: _Hold) -> int | None:
    """Seconds after which the message shall come back, or None when it is done with."""
    try:
        busy = _handle(message, ports, hold)
    except OutageError as error:
        return _after_outage(message, error, ports)
    except PoisonError as error:
        return _poison(message, error.message, ports)
    except Exception as error:  # noqa: BLE001 - logged, tried again, and dead-lettered when it stays
        _LOG.exception("message %s of %s failed unexpectedly", message.message_id, message.group_id)
        if message.receive_count >= retry.UNEXPECTED_MOST:
            return _poison(message, f"{type(error).__name__}: {error}", ports)
        return retry.busy_delay_s(message.lane, message.receive_count, ports.jitter())
    return retry.busy_delay_s(message.lane, message.receive_count, ports.jitter()) if busy else None


def _after_outage(message: Message, error: OutageError, ports: Ports) -> int:
    _LOG.warning("message %s of %s waits out an outage: %s", message.message_id, message.group_id, error)
    ports.metrics.count(Metric.OUTAGE, lane=message.lane)
    return retry.outage_delay_s(message.lane, message.receive_count, ports.jitter())


def _poison(message: Message, reason: str, ports: Ports) -> int | None:
    _LOG.error("message %s of %s is dead-lettered: %s", message.message_id, message.group_id, reason)
    try:
        ports.queue.dead_letter(message, reason)
    except OutageError as error:
        return _after_outage(message, error, ports)
    ports.metrics.count(Metric.POISON, lane=message.lane)
    return None


def _handle(message: Message, ports: Ports, hold: _Hold) -> int:
    """Carry out one message; returns how many connected people could not be reached."""
    parsed = messages.decode(message.body)
    broadcast = ports.broadcasts.get(parsed.broadcast_id)
    if broadcast is None:
        raise PoisonError(f"there is no broadcast {parsed.broadcast_id}")
    if broadcast.lane is not message.lane:
        raise PoisonError(f"a {broadcast.lane.word} broadcast came through the {message.lane.word} lane")
    now = ports.clock()
    if isinstance(parsed, messages.Expand):
        expand(broadcast, parsed, ports, now)
        return 0
    if isinstance(parsed, messages.Escalate):
        return _escalate(broadcast, parsed, message, ports, hold)
    people = audience.resolve(broadcast, parsed.users, ports, now)
    busy = sum(
        _chunk(broadcast, part, message, ports, hold, relayed=parsed.relayed, first=parsed.users is None and not number)
        for number, part in enumerate(batching.cut(people, batching.LARGEST))
    )
    if parsed.ticket:
        _let_go(parsed, people, ports)
    if parsed.users is None:
        ports.broadcasts.finish(broadcast.broadcast_id, BroadcastState.PROCESSED, expected=len(people))
    return busy


def _let_go(released: messages.Deliver, people: Sequence[Recipient], ports: Ports) -> None:
    """Who left while theirs was delayed is waited for no longer."""
    here = {person.user_id for person in people}
    gone = [user_id for user_id in released.users or () if user_id not in here]
    if gone:
        ports.deliveries.end_delay(released.broadcast_id, gone)


def _chunk(
    broadcast: Broadcast,
    people: Sequence[Recipient],
    message: Message,
    ports: Ports,
    hold: _Hold,
    *,
    relayed: bool,
    first: bool,
) -> int:
    """The straight line for up to 500 people.

    `relayed` ones were handed over by the Region that recorded them; with the `first` ones a broadcast begins, while
    its pages, and what quiet hours held back, come later by design.
    """
    hold.extend()
    now = ports.clock()
    wanted = audience.want(broadcast, people, now)
    found = lookup.indexed([one.user_id for one in wanted if one.status is Status.QUEUED and one.realtime], ports)
    recorded = record(broadcast, wanted, ports, now)
    if recorded.state is BroadcastState.CANCELED or recorded.expired:
        return 0
    tally = Tally()
    user_ids = [one.user_id for one in wanted]
    rows = _in_order(recorded, user_ids, _OWED_BY_RELAY if relayed else _OWED)
    seen = _in_order(recorded, user_ids, _seen(message, ports)) if not relayed else []
    post(broadcast, recorded.epoch, rows, found, tally, ports)
    asked = [row.user_id for row in (*rows, *seen)]
    again = lookup.truth(asked, ports, tally.tried)
    far = elsewhere(asked, ports) if not relayed else []
    rows += _on_several_devices(seen, again, far)
    post(broadcast, recorded.epoch, rows, again, tally, ports)
    hand_over(broadcast, far, message, ports)
    busy = settle(broadcast, rows, tally, ports, ports.clock())
    _measure(broadcast, message, tally, now, ports, first=first)
    return unreached(message, tally.failed if relayed else tally.failed.keys() & far, busy)


def _seen(message: Message, ports: Ports) -> tuple[Status, ...]:
    """What somebody may have of a message that comes again, and yet have been missed on another device.

    The other Region settles a person whom it has reached, whatever became of the posts here.
    """
    if message.receive_count == 1:
        return ()
    return (Status.DELIVERED, Status.SENT) if ports.peer else (Status.DELIVERED,)


def _in_order(recorded: Recorded, user_ids: Sequence[str], statuses: Sequence[Status]) -> list[Delivery]:
    rows = {row.user_id: row for row in recorded.rows if row.status in statuses and row.realtime}
    return [rows[user_id] for user_id in user_ids if user_id in rows]


def _on_several_devices(
    seen: Sequence[Delivery], connections: Sequence[Connection], far: Sequence[str]
) -> list[Delivery]:
    """When a message comes again, an ack from one device says nothing about the others: one may have been missed."""
    devices = Counter([connection.user_id for connection in connections])
    devices.update(user_id for user_id in far if user_id in devices)
    return [row for row in seen if devices[row.user_id] > 1]


def _escalate(broadcast: Broadcast, asked: messages.Escalate, message: Message, ports: Ports, hold: _Hold) -> int:
    """Post again, with `attempt` raised, to everybody who has not acked."""
    if broadcast.state is BroadcastState.CANCELED or broadcast.expired(ports.clock()):
        return 0
    epoch, after, busy, far = ports.inbox.epoch(), "", 0, asked.relayed
    while rows := ports.deliveries.unacked(broadcast.broadcast_id, after, batching.LARGEST):
        hold.extend()
        user_ids = [row.user_id for row in rows]
        if not far and elsewhere(user_ids, ports):
            hand_over_escalation(broadcast, asked.attempt, message, ports)
            far = True
        tally = Tally()
        post(broadcast, epoch, rows, ports.connections.active(user_ids), tally, ports, attempt=asked.attempt)
        busy += settle(broadcast, rows, tally, ports, ports.clock())
        ports.metrics.count(Metric.ESCALATED, len(tally.reached), lane=broadcast.lane)
        after = rows[-1].user_id
    return busy


def _measure(
    broadcast: Broadcast, message: Message, tally: Tally, began: datetime, ports: Ports, *, first: bool
) -> None:
    measure(broadcast, tally, ports)
    if first and tally.first_sent_at is not None and message.receive_count == 1 and broadcast.send_at is None:
        posted = datetime.fromtimestamp(tally.first_sent_at, UTC)
        ports.metrics.count(Metric.ACCEPTED_TO_FIRST_POST, _ms(posted - broadcast.created_at), lane=broadcast.lane)
        ports.metrics.count(Metric.QUEUE_HOP, max(0.0, _ms(began - message.sent_at)), lane=broadcast.lane)


def _ms(span: timedelta) -> float:
    return span.total_seconds() * 1000


class _Hold:
    """Keeps a group's messages hidden while work on them goes on, and gives them back together."""

    def __init__(self, group: Sequence[Message], ports: Ports) -> None:
        self.waiting: Sequence[Message] = group
        self._ports = ports
        self._visibility_s = LANES[group[0].lane].visibility_s
        self._since = ports.clock()

    def extend(self) -> None:
        """Hide them for another full term when half of the present one is over."""
        now = self._ports.clock()
        if _ms(now - self._since) > self._visibility_s * 500:
            self._ports.queue.delay(self.waiting, self._visibility_s)
            self._since = now

    def release(self, delay_s: int) -> None:
        """Show them again after `delay_s`; if the queue is away they show up by themselves, a little later."""
        try:
            self._ports.queue.delay(self.waiting, delay_s)
        except OutageError as error:
            _LOG.warning("%d messages come back by their visibility time-out: %s", len(self.waiting), error)
