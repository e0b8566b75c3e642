"""How an audience is cut: chunks inside a consumer, and pieces that become messages of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from carillon.policy.lanes import LANES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from carillon.model import Lane, Recipient

T = TypeVar("T")

SMALLEST: Final = 25
LARGEST: Final = 500
"""One transaction per 500 people: 19 ms for the upsert, and a queue message of about 10 KB."""
PAGE: Final = 5_000
OUTBOX: Final = 50
"""Outbox rows that one transaction takes under its group's lock."""


def piece_size(lane: Lane, people: int) -> int:
    """People per `deliver` message, so that a page keeps all of the lane's consumers busy: 25 to 500."""
    return max(SMALLEST, min(LARGEST, -(-people // LANES[lane].concurrency)))


def cut(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Consecutive parts of at most `size` items."""
    return (items[start : start + size] for start in range(0, len(items), size))


def in_order(recipients: Sequence[Recipient]) -> list[Recipient]:
    """Couple, planner, vendor, guest; within a role by user id, so that a redelivery meets the same chunks."""
    return sorted(recipients, key=lambda recipient: (recipient.role, recipient.user_id))
