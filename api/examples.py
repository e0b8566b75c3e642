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
_COST: Final = {"rest": 24.02, "plan": 9.33, "usage": 3.41, "total": 36.76}
_SHORTAGE: Final[dict[str, Any]] = {
    "quota": "connects_s",
    "needed": 613.2,
    "granted": 500,
    "at": "2027-06-12T13:00:00-04:00",
    "ask_by": "2027-05-29",
    "late": False,
    "reason": (
        "Saturday, 2027-06-12 needs 613 new connections a second at 13:00 with 30% head-room; 500 are granted: "
        "ask AWS by 2027-05-29"
    ),
}
_CAPPED: Final[dict[str, Any]] = {
    "group": "tasks",
    "at": "2027-06-19T20:00:00Z",
    "asked": 55,
    "most": 50,
    "reason": "tasks: 55 asked for on Saturday, 2027-06-19 at 16:00 America/New_York, capped at 50",
}
_CUT: Final[dict[str, Any]] = {
    "group": "database.readers",
    "planned": 5,
    "size": 2,
    "usd": 61.5,
    "reason": (
        "the budget of 2027-06 is $3,000.00, of which $2,412.10 is left for the plan: database.readers is cut from 5 "
        "to 2, which saves $61.50"
    ),
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
    "CapacityOut": {
        "at": "2027-06-12T11:00:00Z",
        "season": "broadcast",
        "time_zone": "America/New_York",
        "weddings": 12,
        "sizes": [{"group": "database.least_acu", "size": 2.5, "rest": 2.5, "most": 64, "reason": "at rest"}],
        "changes": [
            {
                "at": "2027-06-12T16:45:00Z",
                "group": "database.least_acu",
                "previous": 2.5,
                "size": 5,
                "reason": "W1 and 11 more begin at 15:00 to 16:00 America/New_York",
            }
        ],
        "expected": [
            {
                "at": "2027-06-12T11:00:00Z",
                "connections": 1500,
                "messages_s": 0.02,
                "posts_s": 0.83,
                "connects_s": 0.83,
            }
        ],
        "budget": {
            "month": "2027-06",
            "usd": 3000,
            "spent": 587.9,
            "planned": 2994.6,
            "over": 0,
            "cuts": [{"month": "2027-06"} | _CUT],
        },
        "shortages": [_SHORTAGE],
        "capped": [_CAPPED],
        "decisions": [
            {
                "at": "2027-06-12T01:15:00Z",
                "group": "tasks",
                "action": "lower",
                "previous": 9,
                "size": 3,
                "trigger": "plan",
                "value": 1500,
                "threshold": None,
                "reason": "nobody of W0 is left at 21:00 America/New_York",
                "failure": None,
            }
        ],
    },
    "ExplanationOut": {
        "wedding_id": "W1",
        "starts_at": "2027-06-12T14:00:00Z",
        "time_zone": "Europe/Lisbon",
        "team": 8,
        "guests": 120,
        "canceled": False,
        "raised_at": "2027-06-12T11:45:00Z",
        "lowered_at": "2027-06-12T20:15:00Z",
        "demand": {"connections": 92, "messages_s": 0.02, "posts_s": 0.77, "connects_s": 0.05},
        "takes": {"tasks": 0.01, "database.least_acu": 0.03},
        "adds": {"database.least_acu": 0.5},
        "lines": [
            "W1 begins on Saturday, 2027-06-12 at 15:00 Europe/Lisbon: team 8, 120 guests",
            "it asks for up to 92 connections",
            "and in a second for 0.77 posts and 0.020 messages",
            "its capacity stands from Saturday 12:45 to Saturday 21:15",
            "it takes tasks 0.010, database.least_acu 0.030",
            "the plan is higher for it: database.least_acu +0.5",
        ],
    },
    "ForecastOut": {
        "month": "2027-06",
        "time_zone": "America/New_York",
        "season": "broadcast",
        "days": [
            {
                "day": "2027-06-12",
                "weddings": 12,
                "guests": 1440,
                "connections": 6104,
                "messages": 14400,
                "deliveries": 720000,
                "capacity": {"tasks": 3, "database.least_acu": 5, "database.readers": 2},
                "cost": _COST,
                "usd_per_wedding": 1.06,
                "shortages": [_SHORTAGE],
                "cut": True,
            }
        ],
        "totals": {
            "weddings": 12,
            "guests": 1440,
            "connections": 6104,
            "messages": 14400,
            "deliveries": 720000,
            "cost": _COST,
            "usd_per_wedding": 1.06,
        },
        "budget": {"usd": 3000, "planned": 2994.6, "over": 0, "cuts": [_CUT]},
        "capped": [_CAPPED],
    },
    "Healthy": {"status": "ok"},
}
"""By the name of the answer's schema."""
