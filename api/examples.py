"""One example per answer, for the OpenAPI document: the same broadcast to the same wedding all along."""

from __future__ import annotations

from typing import Any, Final

_ID: Final = "01a200a2-0128-717f-8bda-76e0a5ee3dd3"
_AT: Final = "2027-06-12T11:04:05.678Z"
_BROADCAST: Final[dict[str, Any]] = {
    "id": _ID,
    "priority": "critical",
    "kind": "wedding",
    "name": "timeline.shifted",
    "data": {"ceremony": "15:30"},
    "audience": {"type": "wedding", "wedding_id": "W1"},
    "created_by": "pia",
    "supplier_id": None,
    "created_at": _AT,
    "send_at": None,
    "expires_at": None,
    "escalate_after_s": 60,
    "state": "processed",
    "expected": 42,
    "failure": None,
    "canceled_at": None,
}
_COUNTS: Final = {
    "delayed": 0,
    "filtered": 0,
    "queued": 2,
    "sent": 1,
    "delivered": 39,
    "expired": 0,
    "failed": 0,
    "canceled": 0,
}
_DELIVERY: Final[dict[str, Any]] = {
    "user_id": "ann",
    "name": "Ann Lee",
    "role": "couple",
    "status": "delivered",
    "offset": 7,
    "attempts": 1,
    "reason": None,
    "sent_at": "2027-06-12T11:04:05.731Z",
    "delivered_at": "2027-06-12T11:04:06.240Z",
    "release_at": None,
}
_WEDDING: Final[dict[str, Any]] = {
    "id": "W1",
    "name": "Ann & Bo",
    "starts_at": "2027-06-12T14:00:00Z",
    "time_zone": "Europe/Lisbon",
    "status": "confirmed",
    "guests": 120,
}
_MEMBER: Final[dict[str, Any]] = {
    "user_id": "phil",
    "name": "Phil Flower",
    "role": "vendor",
    "tier": "paid",
    "joined_at": "2027-01-10T09:00:00Z",
}
_USER: Final[dict[str, Any]] = {
    "id": "phil",
    "name": "Phil Flower",
    "role": "vendor",
    "tier": "paid",
    "time_zone": "Europe/Lisbon",
    "supplier_id": "flowers-ltd",
}
_SEGMENT: Final[dict[str, Any]] = {
    "id": "paying-vendors",
    "name": "Paying vendors",
    "roles": ["vendor"],
    "tiers": ["paid", "premium"],
    "statuses": [],
}
_EVENT: Final[dict[str, Any]] = {
    "lane": "critical",
    "offset": 7,
    "event_id": _ID,
    "name": "timeline.shifted",
    "kind": "wedding",
    "ts": 1812798245678,
    "expires_at": None,
    "data": {"ceremony": "15:30"},
    "wedding_id": "W1",
    "attempt": 1,
    "tombstone": None,
}


def _page(item: dict[str, Any]) -> dict[str, Any]:
    return {"items": [item], "next_cursor": None}


EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "BroadcastOut": _BROADCAST,
    "BroadcastStatus": _BROADCAST
    | {"counts": _COUNTS, "recipients": 42, "unacked": 3, "escalation": {"attempt": 2, "unacked": 3}},
    "BroadcastPage": _page(_BROADCAST),
    "DeliveryPage": _page(_DELIVERY),
    "WeddingOut": _WEDDING,
    "WeddingPage": _page(_WEDDING),
    "MemberOut": _MEMBER,
    "MemberPage": _page(_MEMBER),
    "UserOut": _USER,
    "UserPage": _page(_USER),
    "SegmentOut": _SEGMENT,
    "SegmentPage": _page(_SEGMENT),
    "PreferencesOut": {
        "kinds": ["system", "wedding"],
        "critical_only": False,
        "channels": ["realtime", "in_app"],
        "quiet_hours": {"enabled": True, "start": "22:00", "end": "08:00"},
    },
    "InboxOut": {
        "epoch": "8ae52b81",
        "offsets": {"critical": 7, "high": 0, "normal": 41, "low": 9},
        "recovered": True,
        "more": False,
        "events": [_EVENT],
        "read_at": _AT,
    },
    "VerdictOut": {
        "since": "2027-06-11T11:00:00Z",
        "clean": False,
        "totals": {
            "accepted": 12,
            "recipients": 504,
            "delivered": 500,
            "lost": 1,
            "duplicates": 0,
            "gaps": 0,
            "pending": 0,
        },
        "problems": [
            {
                "kind": "lost",
                "detail": "meant throughout, but neither recorded nor delayed",
                "count": 1,
                "broadcast_id": _ID,
                "user_ids": ["gus"],
            }
        ],
    },
    "Healthy": {"status": "ok"},
}
"""By the name of the answer's schema."""
