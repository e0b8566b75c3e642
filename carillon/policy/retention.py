"""How long each table keeps its rows; one truth for the purge, the documentation and the erasure request."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

INBOX: Final = timedelta(days=35)
"""Deliveries and broadcasts: the wedding window with weeks to spare. Whole weekly partitions are dropped."""
RETENTION: Final[dict[str, timedelta]] = {
    "idempotency": timedelta(hours=24),
    "outbox": timedelta(days=7),
    "dead_letters": timedelta(days=90),
    "connections": timedelta(hours=3),
    "auto_scaling_events": timedelta(days=400),
}
