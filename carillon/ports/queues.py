"""The lane queues and what travels in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from carillon.model import (
        Lane,
    )


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way to a lane queue; `body` is the text made by `policy.messages`.

    `region` names the Region whose lane it is for; empty is where broadcasts begin.
    """

    lane: Lane
    group_id: str
    broadcast_id: str
    body: str
    region: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that a lane queue handed out. `sent_at` is when the queue got it."""

    message_id: str
    receipt: str
    lane: Lane
    group_id: str
    body: str
    receive_count: int
    sent_at: datetime
    broadcast_id: str | None = None
    reason: str | None = None


class Queue(Protocol):
    """The lane queues (SQS FIFO). Every method raises OutageError when the queue is away."""

    def send(self, messages: Sequence[Outgoing]) -> None:
        """Send all; the deduplication id is a hash of group and body, so sending again within 5 min changes nothing."""
        ...

    def delay(self, messages: Sequence[Message], delay_s: int) -> None:
        """Make messages that were handed out visible again after `delay_s` seconds (0..43,200)."""
        ...

    def dead_letter(self, message: Message, reason: str) -> None:
        """Copy a message to its lane's dead-letter queue; the caller then lets the original be deleted."""
        ...

    def ready(self) -> bool:
        """Whether all four lanes can be reached."""
        ...
