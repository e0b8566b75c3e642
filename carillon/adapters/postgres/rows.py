"""Between table rows and the model."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from carillon.model import (
    Audience,
    Broadcast,
    BroadcastState,
    Delivery,
    Event,
    Kind,
    Lane,
    Preferences,
    QuietHours,
    Recipient,
    Role,
    Status,
)
from carillon.protocol.moments import milliseconds

if TYPE_CHECKING:
    from collections.abc import Mapping

TOMBSTONES = {Status.EXPIRED: "expired", Status.CANCELED: "canceled"}


def broadcast_parameters(broadcast: Broadcast) -> dict[str, Any]:
    """What `broadcasts.sql: insert` takes."""
    return {
        "broadcast_id": broadcast.broadcast_id,
        "lane": broadcast.lane,
        "kind": broadcast.kind,
        "name": broadcast.name,
        "data": Jsonb(broadcast.data),
        "audience": Jsonb(broadcast.audience.to_json()),
        "wedding_id": broadcast.audience.wedding_id,
        "created_by": broadcast.created_by,
        "supplier_id": broadcast.supplier_id,
        "created_at": broadcast.created_at,
        "send_at": broadcast.send_at,
        "expires_at": broadcast.expires_at,
        "escalate_after_s": broadcast.escalate_after_s,
    }


def broadcast_from(row: Mapping[str, Any]) -> Broadcast:
    """A row of `broadcasts`."""
    return Broadcast(
        broadcast_id=str(row["broadcast_id"]),
        lane=Lane(row["lane"]),
        kind=Kind(row["kind"]),
        name=row["name"],
        data=row["data"],
        audience=Audience.from_json(row["audience"]),
        created_by=row["created_by"],
        created_at=row["created_at"],
        supplier_id=row["supplier_id"],
        send_at=row["send_at"],
        expires_at=row["expires_at"],
        escalate_after_s=row["escalate_after_s"],
        state=BroadcastState(row["state"]),
        expected=row["expected"],
        failure=row["failure"],
        canceled_at=row["canceled_at"],
        escalations=row["escalations"],
    )


def delivery_from(row: Mapping[str, Any]) -> Delivery:
    """A row of `deliveries`."""
    return Delivery(
        broadcast_id=str(row["broadcast_id"]),
        user_id=row["user_id"],
        lane=Lane(row["lane"]),
        offset=row["stream_offset"],
        status=Status(row["status"]),
        attempts=row["attempts"],
        role=Role(row["role"]),
        realtime=row["realtime"],
    )


def recipient_from(row: Mapping[str, Any]) -> Recipient:
    """A row of `audiences.sql: team` or `people`."""
    return Recipient(
        user_id=row["user_id"],
        role=Role(row["role"]),
        time_zone=row["time_zone"],
        preferences=_preferences(row) if row["kinds"] is not None else Preferences(),
        venue_zones=tuple((datetime.fromisoformat(starts_at), zone) for starts_at, zone in row["venues"] or ()),
    )


def _preferences(row: Mapping[str, Any]) -> Preferences:
    return Preferences(
        kinds=kinds_from(row["kinds"]),
        critical_only=row["critical_only"],
        realtime=row["realtime"],
        in_app=row["in_app"],
        quiet=QuietHours(row["quiet_start"], row["quiet_end"], enabled=row["quiet_enabled"]),
    )


def kinds_from(mask: int) -> frozenset[Kind]:
    """The kinds in a bit mask."""
    return frozenset(kind for kind in Kind if mask >> kind & 1)


def event_from(row: Mapping[str, Any], now: datetime) -> Event:
    """A row of `connections.sql: events`; what is over becomes a tombstone without data."""
    return Event(
        lane=Lane(row["lane"]),
        offset=row["stream_offset"],
        event_id=str(row["broadcast_id"]),
        name=row["name"],
        kind=Kind(row["kind"]),
        ts=milliseconds(row["created_at"]),
        expires_at=milliseconds(row["expires_at"]) if row["expires_at"] else None,
        data=row["data"],
        wedding_id=row["wedding_id"],
        attempt=max(1, row["escalations"]),
        tombstone=_tombstone(row, now),
    )


def _tombstone(row: Mapping[str, Any], now: datetime) -> str | None:
    if row["state"] == BroadcastState.CANCELED:
        return "canceled"
    over = row["expires_at"] is not None and row["expires_at"] <= now
    return "expired" if over else TOMBSTONES.get(Status(row["status"]))
